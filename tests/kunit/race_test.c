// SPDX-License-Identifier: GPL-2.0-only
/*
 * vCPUs notify. At the same time, one thread registers and unregisters devices, another
 * creates VMs that replace each other, and another attaches and detaches.
 */
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/kprobes.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/tracepoint.h>

#include "trace.h"
#include "vm.h"

#define VCPUS	2
#define QUEUES	4

static int (*handle_diag)(struct kvm_vcpu *vcpu);
static int (*vcpu_precreate)(struct kvm *kvm, unsigned int id);

/*
 * Per-CPU counts of the notifications that reach KVM's own handler, of the module's
 * events and of KVM's events. Newer kernels call the probes with preemption enabled.
 */
struct counts {
	u64 by_kvm, ours, kvms;
};

static struct counts __percpu *counts;

static int count_by_kvm(struct kprobe *kp, struct pt_regs *regs)
{
	this_cpu_inc(counts->by_kvm);
	return 0;
}

static void our_probe(void *data, const struct kvm_vcpu *vcpu, unsigned int code, u64 subcode,
		      u32 schid, u64 queue, s64 cookie, s64 result, enum diag_outcome outcome)
{
	this_cpu_inc(counts->ours);
}

static void kvms_probe(void *data, struct kvm_vcpu *vcpu, u16 code)
{
	this_cpu_inc(counts->kvms);
}

struct notifier {
	struct test_vm vm;	/* has a vCPU of its own, and shares the rest */
	struct task_struct *task;
	u64 completed, forwarded, wrong;
	/* Notifications of queues 1 and 3: completed, forwarded. */
	u64 there, gone;
};

/*
 * Queues 0 and 2 are always registered. Queues 1 and 3 are registered and unregistered again
 * and again. Queue 4 is never registered. The threads of this test mark a quiescent state
 * for RCU-tasks, as a vCPU does when it leaves KVM. Otherwise detaching would wait for ever,
 * because cond_resched() alone does nothing on a kernel with preemption.
 */
static int notifier_thread(void *arg)
{
	struct notifier *n = arg;
	__u64 *gprs = n->vm.vcpu->run->s.regs.gprs;
	u64 cookie = -1, queue;
	unsigned int i;
	int rc;

	for (i = 0; !kthread_should_stop(); i++) {
		queue = i % (QUEUES + 1);
		test_set_gprs(&n->vm, 3, SCHID_A, queue, cookie);
		rc = test_call(&n->vm, handle_diag);
		if (!rc) {
			n->completed++;
			cookie = gprs[2];
			n->wrong += queue == QUEUES;
			n->there += queue & 1;
		} else {
			n->forwarded++;
			n->wrong += rc != -EOPNOTSUPP || gprs[2] != SCHID_A ||
				    queue == 0 || queue == 2;
			n->gone += queue & 1;
		}
		cond_resched_tasks_rcu_qs();
	}
	return 0;
}

/* Each VM gets the address of the destroyed one. Returns how often all of them notified. */
static int vms_thread(void *arg)
{
	struct test_vm *vm = arg;
	int issued = 0;

	while (!kthread_should_stop()) {
		if (issued % 5 == 0) {
			test_vm_destroy(vm);
			vcpu_precreate(vm->kvm, 0);
		}
		test_set_gprs(vm, 3, SCHID_B, 0, 0);
		test_call(vm, handle_diag);
		issued++;
		cond_resched_tasks_rcu_qs();
	}
	return issued;
}

/* Returns the number of changes that KVM has refused. */
static int bus_thread(void *arg)
{
	struct test_vm *vm = arg;
	int refused = 0;

	while (!kthread_should_stop()) {
		refused += !!test_assign(vm, SCHID_A, 8, 1, -1);
		refused += !!test_assign(vm, SCHID_A - 1, 8, 0, -1);
		refused += !!test_assign(vm, SCHID_A, 8, 3, -1);
		refused += !!test_deassign(vm, SCHID_A, 8, 1, -1);
		refused += !!test_deassign(vm, SCHID_A - 1, 8, 0, -1);
		refused += !!test_deassign(vm, SCHID_A, 8, 3, -1);
		cond_resched_tasks_rcu_qs();
	}
	return refused;
}

static void race(struct kunit *test, bool traced)
{
	struct tracepoint *tp = test_kvm_tracepoint();
	struct test_vm *vm = test_vm_create(test);
	struct notifier *n = kunit_kcalloc(test, VCPUS, sizeof(*n), GFP_KERNEL);
	struct kprobe kp = {
		.symbol_name = "kvm_io_bus_write_cookie",
		.pre_handler = count_by_kvm,
	};
	struct task_struct *bus, *vms;
	u64 completed = 0, forwarded = 0, there = 0, gone = 0, ours = 0, issued;
	u64 by_kvm = 0, our_events = 0, kvms_events = 0;
	unsigned int cycle;
	int i;

	KUNIT_ASSERT_NOT_NULL(test, n);
	handle_diag = (void *)test_symbol("kvm_s390_handle_diag");
	KUNIT_ASSERT_NOT_NULL(test, handle_diag);
	vcpu_precreate = (void *)test_symbol("kvm_arch_vcpu_precreate");
	KUNIT_ASSERT_NOT_NULL(test, vcpu_precreate);
	KUNIT_ASSERT_NOT_NULL(test, tp);
	counts = alloc_percpu(struct counts);
	KUNIT_ASSERT_NOT_NULL(test, counts);
	if (traced) {
		KUNIT_ASSERT_EQ(test, register_trace_kvm_s390_diag(our_probe, NULL), 0);
		KUNIT_ASSERT_EQ(test, tracepoint_probe_register(tp, kvms_probe, NULL), 0);
	}
	KUNIT_ASSERT_EQ(test, register_kprobe(&kp), 0);
	KUNIT_ASSERT_EQ(test, test_destroy_start(), 0);
	for (i = 0; i < QUEUES; i += 2)
		KUNIT_ASSERT_EQ(test, test_assign(vm, SCHID_A, 8, i, -1), 0);
	for (i = 0; i < VCPUS; i++) {
		struct test_vm *own = test_vm_create(test);

		n[i].vm = *vm;
		n[i].vm.vcpu = own->vcpu;
		own->vcpu->kvm = vm->kvm;
		n[i].task = kthread_create(notifier_thread, &n[i], "notifier/%d", i);
		KUNIT_ASSERT_FALSE(test, IS_ERR(n[i].task));
	}
	/* The new thread shares the file table of this one, which has the eventfd. */
	bus = kthread_run(bus_thread, vm, "bus");
	KUNIT_ASSERT_FALSE(test, IS_ERR(bus));
	vms = kthread_run(vms_thread, test_vm_create(test), "vms");
	KUNIT_ASSERT_FALSE(test, IS_ERR(vms));
	for (i = 0; i < VCPUS; i++)
		wake_up_process(n[i].task);

	for (cycle = 0; cycle < TEST_RACES; cycle++) {
		KUNIT_ASSERT_EQ(test, test_attach(), 0);
		msleep(20);
		ours += test_detach_counted();
	}

	KUNIT_EXPECT_EQ(test, kthread_stop(bus), 0);
	issued = kthread_stop(vms);
	for (i = 0; i < VCPUS; i++) {
		kthread_stop(n[i].task);
		completed += n[i].completed;
		forwarded += n[i].forwarded;
		there += n[i].there;
		gone += n[i].gone;
		KUNIT_EXPECT_EQ(test, n[i].wrong, 0);
	}
	test_destroy_stop();
	unregister_kprobe(&kp);
	if (traced) {
		unregister_trace_kvm_s390_diag(our_probe, NULL);
		tracepoint_probe_unregister(tp, kvms_probe, NULL);
		tracepoint_synchronize_unregister();
	}
	issued += completed + forwarded;
	for_each_possible_cpu(i) {
		const struct counts *c = per_cpu_ptr(counts, i);

		by_kvm += c->by_kvm;
		our_events += c->ours;
		kvms_events += c->kvms;
	}
	free_percpu(counts);
	KUNIT_EXPECT_EQ(test, ours + by_kvm, issued);
	KUNIT_EXPECT_EQ(test, kp.nmissed, 0);
	/* One event of the module for each count, and one of KVM for each DIAGNOSE. */
	KUNIT_EXPECT_EQ(test, our_events, traced ? ours : 0);
	KUNIT_EXPECT_EQ(test, kvms_events, traced ? issued : 0);
	KUNIT_EXPECT_EQ(test, test_eventfd_take(vm->fd), completed);
	KUNIT_EXPECT_GT(test, completed, 10 * TEST_RACES);
	KUNIT_EXPECT_GT(test, forwarded, TEST_RACES);
	KUNIT_EXPECT_GT(test, there, 0);
	KUNIT_EXPECT_GT(test, gone, 0);
	KUNIT_EXPECT_GT(test, ours, TEST_RACES);
	kunit_info(test, "%llu served, %llu forwarded, %u cycles; %llu intercepts, %llu of them counted",
		   completed, forwarded, cycle, issued, ours);
}

static void nothing_is_lost(struct kunit *test)
{
	race(test, false);
}

static void nothing_is_lost_when_traced(struct kunit *test)
{
	race(test, true);
}

static struct kunit_case race_cases[] = {
	KUNIT_CASE(nothing_is_lost),
	KUNIT_CASE(nothing_is_lost_when_traced),
	{}
};

static struct kunit_suite race_suite = {
	.name = "diag-race",
	.test_cases = race_cases,
};

kunit_test_suite(race_suite);
