// SPDX-License-Identifier: GPL-2.0-only
/* Tests the module's trace event, and KVM's own event when the module answers. */
#include <linux/fs.h>
#include <linux/preempt.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <linux/trace_events.h>
#include <linux/tracepoint.h>
#include <linux/uio.h>

#include "shortcut.h"
#include "trace.h"
#include "vm.h"

static int (*handle_diag)(struct kvm_vcpu *vcpu);
static struct test_vm *vm;

/* The number of the module's events since the start of issue(), and the last event. */
static struct {
	unsigned int count;
	const struct kvm_vcpu *vcpu;
	unsigned int code;
	u64 subcode;
	u32 schid;
	u64 queue;
	s64 cookie;
	s64 result;
	enum diag_outcome outcome;
} ours;

static struct {
	unsigned int count;
	const struct kvm_vcpu *vcpu;
	u16 code;
	bool preemptible;
} kvms;

static void our_probe(void *data, const struct kvm_vcpu *vcpu, unsigned int code, u64 subcode,
		      u32 schid, u64 queue, s64 cookie, s64 result, enum diag_outcome outcome)
{
	ours.count++;
	ours.vcpu = vcpu;
	ours.code = code;
	ours.subcode = subcode;
	ours.schid = schid;
	ours.queue = queue;
	ours.cookie = cookie;
	ours.result = result;
	ours.outcome = outcome;
}

static void kvms_probe(void *data, struct kvm_vcpu *vcpu, u16 code)
{
	kvms.count++;
	kvms.vcpu = vcpu;
	kvms.code = code;
	kvms.preemptible = preemptible();
}

static void find_tracepoint(struct tracepoint *tp, void *result)
{
	if (!strcmp(tp->name, "kvm_s390_handle_diag"))
		*(struct tracepoint **)result = tp;
}

struct tracepoint *test_kvm_tracepoint(void)
{
	struct tracepoint *tp = NULL;

	for_each_kernel_tracepoint(find_tracepoint, &tp);
	return tp;
}

struct trace_case {
	const char *what;
	u16 code;
	u64 r1, r2, r3, r4;
	bool no_css, no_bus, older, problem_state;
	s64 result;
	enum diag_outcome outcome;
	/* The number of KVM's events. KVM fires none in problem state. */
	unsigned int kvms;
};

static const struct trace_case trace_cases[] = {
	{ "cookie", 0x500, 3, SCHID_A, 1, 1, .result = 1, .outcome = DIAG_SERVED_COOKIE,
	  .kvms = 1 },
	{ "search", 0x500, 3, SCHID_A, 1, -1, .result = 1, .outcome = DIAG_SERVED_SEARCH,
	  .kvms = 1 },
	{ "bus gone", 0x500, 3, SCHID_A, 1, 1, .no_bus = true, .result = -ENOMEM,
	  .outcome = DIAG_BUS_GONE, .kvms = 1 },
	{ "no device", 0x500, 3, SCHID_B, 7, 5, .result = -EOPNOTSUPP,
	  .outcome = DIAG_NO_DEVICE, .kvms = 1 },
	{ "no CSS", 0x500, 3, SCHID_A, 1, 1, .no_css = true, .result = -EOPNOTSUPP,
	  .outcome = DIAG_NO_CSS, .kvms = 1 },
	{ "other subcode", 0x500, 4, 0x12345678, 2, 3, .result = -EOPNOTSUPP,
	  .outcome = DIAG_OTHER_SUBCODE, .kvms = 1 },
	{ "other code", 0x501, 3, SCHID_A, 1, 1, .result = -EOPNOTSUPP,
	  .outcome = DIAG_OTHER_CODE, .kvms = 1 },
	{ "left to KVM", 0x501, 3, SCHID_A, 1, 1, .older = true, .outcome = DIAG_LEFT_TO_KVM,
	  .kvms = 1 },
	{ "cookie of an older VM", 0x500, 3, SCHID_A, 1, 1, .older = true, .result = 1,
	  .outcome = DIAG_SERVED_COOKIE, .kvms = 1 },
	{ "privileged", 0x500, 3, SCHID_A, 1, 1, .problem_state = true,
	  .outcome = DIAG_PRIVILEGED },
};

static void trace_desc(const struct trace_case *c, char *desc)
{
	strscpy(desc, c->what, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(trace, trace_cases, trace_desc);

static void issue(const struct trace_case *c)
{
	struct kvm_io_bus *bus = test_bus(vm);

	vm->kvm->arch.css_support = !c->no_css;
	vm->vcpu->arch.sie_block->gpsw.mask = c->problem_state ? PSW_MASK_PSTATE : 0;
	if (c->no_bus)
		rcu_assign_pointer(vm->kvm->buses[KVM_VIRTIO_CCW_NOTIFY_BUS], NULL);
	test_set_insn(vm, 0, c->code);
	test_set_gprs(vm, c->r1, c->r2, c->r3, c->r4);
	memset(&ours, 0, sizeof(ours));
	memset(&kvms, 0, sizeof(kvms));
	test_call(vm, handle_diag);
	rcu_assign_pointer(vm->kvm->buses[KVM_VIRTIO_CCW_NOTIFY_BUS], bus);
}

/* The module does not count what it leaves to KVM. */
static void expect_counted(struct kunit *test, enum diag_outcome outcome, unsigned int times)
{
	if (outcome == DIAG_LEFT_TO_KVM)
		times = 0;
	else
		KUNIT_EXPECT_EQ(test, test_counted(outcome), times);
	KUNIT_EXPECT_EQ(test, test_counted_all(), times);
}

static void tells_what_was_done(struct kunit *test)
{
	const struct trace_case *c = test->param_value;
	bool notification = c->code == DIAG_KVM_VIRTIO && !c->problem_state;

	KUNIT_ASSERT_EQ(test, test_attach(), 0);
	if (!c->older)
		test_see(vm);
	KUNIT_ASSERT_EQ(test, register_trace_kvm_s390_diag(our_probe, NULL), 0);
	issue(c);
	KUNIT_EXPECT_EQ(test, ours.count, 1);
	KUNIT_EXPECT_PTR_EQ(test, ours.vcpu, (const struct kvm_vcpu *)vm->vcpu);
	KUNIT_EXPECT_EQ(test, ours.code, c->code);
	KUNIT_EXPECT_EQ(test, ours.subcode, notification ? c->r1 : 0);
	KUNIT_EXPECT_EQ(test, ours.schid, notification ? c->r2 : 0);
	KUNIT_EXPECT_EQ(test, ours.queue, notification ? c->r3 : 0);
	KUNIT_EXPECT_EQ(test, ours.cookie, notification ? (s64)c->r4 : 0);
	KUNIT_EXPECT_EQ(test, ours.result, c->result);
	KUNIT_EXPECT_EQ(test, ours.outcome, c->outcome);
	expect_counted(test, c->outcome, 1);

	/* This CPU has cached the VM now. */
	issue(c);
	KUNIT_EXPECT_EQ(test, ours.count, 1);
	KUNIT_EXPECT_EQ(test, ours.outcome, c->outcome);
	unregister_trace_kvm_s390_diag(our_probe, NULL);
	tracepoint_synchronize_unregister();
	KUNIT_EXPECT_FALSE(test, trace_kvm_s390_diag_enabled());
	issue(c);
	KUNIT_EXPECT_EQ(test, ours.count, 0);
	expect_counted(test, c->outcome, 3);
	test_detach();
}

#define TRACE	"/sys/kernel/debug/tracing/trace"

/* Returns what userspace reads of the trace. */
static char *trace_text(struct kunit *test)
{
	char *text = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	struct kvec vec = { .iov_base = text, .iov_len = PAGE_SIZE - 1 };
	struct file *file = filp_open(TRACE, O_RDONLY, 0);
	struct iov_iter iter;
	struct kiocb kiocb;

	KUNIT_ASSERT_NOT_NULL(test, text);
	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	init_sync_kiocb(&kiocb, file);
	iov_iter_kvec(&iter, READ, &vec, 1, vec.iov_len);
	while (iov_iter_count(&iter) && seq_read_iter(&kiocb, &iter) > 0)
		;
	filp_close(file, NULL);
	return text;
}

static void event_prints_what_was_done(struct kunit *test)
{
	static const char *const names[DIAG_OUTCOMES] = {
		"served_cookie", "served_search", "bus_gone", "forwarded_no_device",
		"forwarded_no_css", "forwarded_other_subcode", "forwarded_other_code",
		"forwarded_requested", "privileged", "left_to_kvm",
	};
	const struct trace_case *c = test->param_value;
	bool notification = c->code == DIAG_KVM_VIRTIO && !c->problem_state;
	struct file *file;
	char line[160];

	snprintf(line, sizeof(line),
		 " vm 4711 vcpu 3 code 0x%x subcode %llu schid 0x%08x queue %llu cookie %lld result %lld outcome %s\n",
		 c->code, notification ? c->r1 : 0, notification ? (u32)c->r2 : 0,
		 notification ? c->r3 : 0, notification ? (s64)c->r4 : 0, c->result,
		 names[c->outcome]);
	vm->kvm->userspace_pid = 4711;
	vm->vcpu->vcpu_id = 3;
	KUNIT_ASSERT_EQ(test, test_attach(), 0);
	if (!c->older)
		test_see(vm);
	KUNIT_EXPECT_EQ(test, trace_set_clr_event("kvm_s390_diag", NULL, 1), 0);
	/* Opening the file with this flag clears the trace. */
	file = filp_open(TRACE, O_WRONLY | O_TRUNC, 0);
	if (!IS_ERR(file))
		filp_close(file, NULL);
	issue(c);
	trace_set_clr_event("kvm_s390_diag", NULL, 0);
	test_detach();
	KUNIT_EXPECT_NOT_NULL_MSG(test, strstr(trace_text(test), line), "%s%s", line,
				  trace_text(test));
}

/*
 * KVM's event must be fired as often as without the module, with the same arguments and
 * under the same guard. Some kernels disable preemption, others enter SRCU.
 */
static void expect_kvms(struct kunit *test, const struct trace_case *c, bool attached)
{
	static bool preemptible_alone;

	issue(c);
	KUNIT_EXPECT_EQ_MSG(test, kvms.count, c->kvms, "%s", c->what);
	if (c->kvms) {
		KUNIT_EXPECT_PTR_EQ(test, kvms.vcpu, (const struct kvm_vcpu *)vm->vcpu);
		KUNIT_EXPECT_EQ(test, kvms.code, c->code);
		if (attached)
			KUNIT_EXPECT_EQ(test, kvms.preemptible, preemptible_alone);
		else
			preemptible_alone = kvms.preemptible;
	}
}

static void kvms_event_is_fired_once(struct kunit *test)
{
	const struct trace_case *c = test->param_value;
	struct tracepoint *tp = test_kvm_tracepoint();

	KUNIT_ASSERT_NOT_NULL(test, tp);
	KUNIT_ASSERT_EQ(test, tracepoint_probe_register(tp, kvms_probe, NULL), 0);
	expect_kvms(test, c, false);
	KUNIT_ASSERT_EQ(test, test_attach(), 0);
	if (!c->older)
		test_see(vm);
	expect_kvms(test, c, true);
	expect_kvms(test, c, true);
	tracepoint_probe_unregister(tp, kvms_probe, NULL);
	tracepoint_synchronize_unregister();
	issue(c);
	KUNIT_EXPECT_EQ(test, kvms.count, 0);

	/* The event is enabled while the module is attached. */
	KUNIT_ASSERT_EQ(test, tracepoint_probe_register(tp, kvms_probe, NULL), 0);
	expect_kvms(test, c, true);
	expect_counted(test, c->outcome, 4);
	test_detach();
	expect_kvms(test, c, false);
	tracepoint_probe_unregister(tp, kvms_probe, NULL);
	tracepoint_synchronize_unregister();
}

/*
 * If "claim" does not contain 0x500, a DIAGNOSE with 0x500 takes the slow path to KVM's own
 * handler, which fires the event.
 */
static void kvms_event_where_0x500_is_not_claimed(struct kunit *test)
{
	static const struct trace_case left = {
		"0x500", 0x500, 3, SCHID_A, 1, 1, .outcome = DIAG_LEFT_TO_KVM, .kvms = 1,
	};
	static const struct trace_case taken = {
		"0x501", 0x501, 3, SCHID_A, 1, 1, .outcome = DIAG_OTHER_CODE, .kvms = 1,
	};
	struct tracepoint *tp = test_kvm_tracepoint();

	test_claim("0x501");
	KUNIT_ASSERT_NOT_NULL(test, tp);
	KUNIT_ASSERT_EQ(test, tracepoint_probe_register(tp, kvms_probe, NULL), 0);
	expect_kvms(test, &taken, false);
	KUNIT_ASSERT_EQ(test, test_attach(), 0);
	test_see(vm);
	expect_kvms(test, &left, true);
	expect_kvms(test, &taken, true);
	expect_counted(test, DIAG_OTHER_CODE, 1);
	test_detach();
	tracepoint_probe_unregister(tp, kvms_probe, NULL);
	tracepoint_synchronize_unregister();
	test_claim("all");
}

/*
 * While the parameter "claim" contains only 0x500, every other code takes the shortcut to KVM's
 * own handler, unless the module's event is enabled.
 */
static void events_where_the_shortcut_is_open(struct kunit *test)
{
	static const struct trace_case left = {
		"0x501", 0x501, 3, SCHID_A, 1, 1, .outcome = DIAG_LEFT_TO_KVM, .kvms = 1,
	};
	struct tracepoint *tp = test_kvm_tracepoint();
	int i;

	test_claim("0x500");
	KUNIT_ASSERT_NOT_NULL(test, tp);
	KUNIT_ASSERT_EQ(test, tracepoint_probe_register(tp, kvms_probe, NULL), 0);
	expect_kvms(test, &left, false);
	KUNIT_ASSERT_EQ(test, test_attach(), 0);
	test_see(vm);
	for (i = 0; i < 2; i++) {
		KUNIT_EXPECT_TRUE(test, shortcut_is_open());
		expect_kvms(test, &left, true);
		KUNIT_EXPECT_EQ(test, ours.count, 0);
		KUNIT_ASSERT_EQ(test, register_trace_kvm_s390_diag(our_probe, NULL), 0);
		expect_kvms(test, &left, true);
		KUNIT_EXPECT_EQ(test, ours.count, 1);
		KUNIT_EXPECT_EQ(test, ours.outcome, DIAG_LEFT_TO_KVM);
		unregister_trace_kvm_s390_diag(our_probe, NULL);
	}
	KUNIT_EXPECT_EQ(test, test_counted_all(), 0);
	tracepoint_probe_unregister(tp, kvms_probe, NULL);
	tracepoint_synchronize_unregister();
	KUNIT_EXPECT_EQ(test, atomic_read(trace_listeners), 0);
	test_detach();
	test_claim("all");
}

static struct kunit_case trace_test_cases[] = {
	KUNIT_CASE_PARAM(tells_what_was_done, trace_gen_params),
	KUNIT_CASE_PARAM(event_prints_what_was_done, trace_gen_params),
	KUNIT_CASE_PARAM(kvms_event_is_fired_once, trace_gen_params),
	KUNIT_CASE(kvms_event_where_0x500_is_not_claimed),
	KUNIT_CASE(events_where_the_shortcut_is_open),
	{}
};

static int tracing_init(struct kunit *test)
{
	u64 queue;

	handle_diag = (void *)test_symbol("kvm_s390_handle_diag");
	if (!handle_diag)
		return -ENOENT;
	vm = test_vm_create(test);
	for (queue = 0; queue < 2; queue++)
		if (test_assign(vm, SCHID_A, 8, queue, -1))
			return -EINVAL;
	return 0;
}

static struct kunit_suite trace_suite = {
	.name = "diag-trace",
	.init = tracing_init,
	.test_cases = trace_test_cases,
};

kunit_test_suite(trace_suite);
