/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one private header of kvm-s390-diag.
 *
 * Calls go one way: attach.c -> diag.c -> virtio_ccw_notify.c -> ioeventfd_bus.c.
 * They ask vms.c, which asks counters.c, which asks nobody, and trace.c.
 */
#ifndef KVM_S390_DIAG_H
#define KVM_S390_DIAG_H

#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/kvm_host.h>
#include <linux/nospec.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/srcu.h>
#include <linux/types.h>
#include <linux/workqueue.h>
#include <kvm/iodev.h>

/* DIAGNOSE function codes that have a meaning here; KVM gives them no names. */
#define DIAG_RELEASE_PAGES	0x10
#define DIAG_YIELD		0x44
#define DIAG_YIELD_DIRECTED	0x9c
#define DIAG_PAGE_REF		0x258
#define DIAG_IPL		0x308
#define DIAG_KVM_VIRTIO		0x500

/**
 * enum diag_outcome - what became of one DIAGNOSE intercept
 * @DIAG_SERVED_COOKIE: notification served, the guest's cookie was right
 * @DIAG_SERVED_SEARCH: notification served after a search of the bus
 * @DIAG_BUS_GONE: the notify bus is gone, the guest was told -ENOMEM
 * @DIAG_NO_DEVICE: notification forwarded, no device accepts it
 * @DIAG_NO_CSS: notification forwarded, the VM lacks CSS support
 * @DIAG_OTHER_SUBCODE: function 0x500 with another subcode, forwarded
 * @DIAG_OTHER_CODE: another function code that is claimed, forwarded
 * @DIAG_LEFT_TO_KVM: a function code that is not claimed for this VM
 * @DIAG_PRIVILEGED: issued in problem state, refused by KVM's own handler
 * @DIAG_OUTCOMES: how many there are
 *
 * Each intercept has exactly one outcome. All up to DIAG_BUS_GONE complete
 * the DIAGNOSE; the other ones up to DIAG_OTHER_CODE go to userspace.
 */
enum diag_outcome {
	DIAG_SERVED_COOKIE,
	DIAG_SERVED_SEARCH,
	DIAG_BUS_GONE,
	DIAG_NO_DEVICE,
	DIAG_NO_CSS,
	DIAG_OTHER_SUBCODE,
	DIAG_OTHER_CODE,
	DIAG_LEFT_TO_KVM,
	DIAG_PRIVILEGED,
	DIAG_OUTCOMES
};

/**
 * diag_gpr - read a general register of the guest, once
 * @vcpu: the vCPU that was intercepted
 * @nr: number of the register, 0 to 15
 *
 * The registers are in struct kvm_run, which userspace has mapped writable.
 * What is checked must be what is used, so for each use of a register there is
 * exactly one call of this.
 *
 * Return: the value.
 */
static inline u64 diag_gpr(const struct kvm_vcpu *vcpu, unsigned int nr)
{
	return READ_ONCE(vcpu->run->s.regs.gprs[nr]);
}

/**
 * diag_function_code - decode the RS-a operand of the intercepted DIAGNOSE
 * @vcpu: the vCPU that was intercepted; its SIE block holds the instruction
 *
 * Bits 48-63 of the second-operand address are the function code, the rest of
 * the address is ignored. B2 = 0 means that there is no base (Principles of
 * Operation, "Address Generation"). Called on the thread that runs @vcpu.
 *
 * Return: the function code, 0 to 0xffff.
 */
static inline unsigned int diag_function_code(const struct kvm_vcpu *vcpu)
{
	/* B2 and D2; without a base nothing is above the displacement. */
	u32 operand = vcpu->arch.sie_block->ipb >> 16;

	if (unlikely(operand & 0xf000))
		operand = (operand & 0xfff) + diag_gpr(vcpu, operand >> 12);
	return operand & 0xffff;
}

/**
 * diag_intercept - stands in for kvm_s390_handle_diag()
 * @vcpu: the vCPU that was intercepted
 *
 * Target of the ftrace direct call: entered with the arguments and the return
 * address of a call of KVM's handler. What is not claimed, and all that comes
 * in problem state, goes on to that handler, which may sleep.
 *
 * Called on the thread that runs @vcpu, with kvm->srcu held for reading as KVM
 * holds it around every intercept handler.
 *
 * Return: as kvm_s390_handle_diag(): 0 when the DIAGNOSE has completed,
 * -EOPNOTSUPP when userspace is to complete it, and what KVM's handler returns.
 */
int diag_intercept(struct kvm_vcpu *vcpu);

/**
 * diag_forward - leave a DIAGNOSE that is claimed and not served to userspace
 * @vcpu: the vCPU that was intercepted
 * @code: the function code, any but 0x500
 *
 * Counts and traces it; counts it for KVM's statistics as well.
 *
 * Return: -EOPNOTSUPP.
 */
int diag_forward(struct kvm_vcpu *vcpu, unsigned int code);

/**
 * virtio_ccw_notify - function code 0x500
 * @vcpu: the vCPU that was intercepted, not in problem state
 *
 * Takes the subcode from r1 (64 bits), and for subcode 3 the
 * subchannel-identification word from r2 (its low 32 bits), the number of the
 * virtqueue from r3 and a cookie from r4; on completion r2 is the right cookie
 * or a negative error (virtio 1.x, "Guest->Host Notification" of the channel
 * I/O transport). No other register changes, and r2 only on completion.
 *
 * Called with kvm->srcu held for reading. Counts and traces the outcome.
 *
 * Return: 0 when the DIAGNOSE has completed, -EOPNOTSUPP when userspace is to
 * complete it.
 */
int virtio_ccw_notify(struct kvm_vcpu *vcpu);

/**
 * diag_handle - answer a DIAGNOSE that this module has claimed
 * @vcpu: the vCPU that was intercepted, not in problem state
 * @code: the function code, as diag_function_code() returned it
 *
 * Called on the thread that runs @vcpu, with kvm->srcu held for reading.
 *
 * Return: 0 when the DIAGNOSE has completed, -EOPNOTSUPP when userspace is to
 * complete it.
 */
static inline int diag_handle(struct kvm_vcpu *vcpu, unsigned int code)
{
	if (code != DIAG_KVM_VIRTIO)
		return diag_forward(vcpu, code);

	vcpu->stat.instruction_diagnose_500++;
	return virtio_ccw_notify(vcpu);
}

/* A notification is a write of the 8 bytes of the virtqueue's number. */
#define NOTIFY_LEN	8

/**
 * ioeventfd_slot_write - offer a notification to a slot of the subchannel
 * @vcpu: the vCPU that notifies
 * @slot: the slot; its address is @schid
 * @schid: subchannel-identification word
 * @queue: number of the virtqueue; not in memory that anybody else can write
 *
 * By the rule of kvm_io_bus_cmp() for a write of 8 bytes the length must be 8,
 * or 0 for the address alone. Whether the queue matches is for the device to say,
 * and for nobody else. All devices of this bus are ioeventfds, which have a
 * write function.
 *
 * Called with kvm->srcu held for reading.
 *
 * Return: true when the device has taken it.
 */
static inline bool ioeventfd_slot_write(struct kvm_vcpu *vcpu, const struct kvm_io_range *slot,
					u32 schid, const u64 *queue)
{
	return !(slot->len & ~NOTIFY_LEN) &&
	       !slot->dev->ops->write(vcpu, slot->dev, schid, NOTIFY_LEN, queue);
}

/**
 * ioeventfd_slot_notify - offer a notification to any slot of the notify bus
 * @vcpu: the vCPU that notifies
 * @slot: the slot
 * @schid: subchannel-identification word
 * @queue: number of the virtqueue; not in memory that anybody else can write
 *
 * Called with kvm->srcu held for reading.
 *
 * Return: true when the slot is for the subchannel and its device has taken it.
 */
static inline bool ioeventfd_slot_notify(struct kvm_vcpu *vcpu, const struct kvm_io_range *slot,
					 u32 schid, const u64 *queue)
{
	/* Or the compiler makes the address anew for each field. */
	OPTIMIZER_HIDE_VAR(slot);
	return slot->addr == schid && ioeventfd_slot_write(vcpu, slot, schid, queue);
}

/**
 * ioeventfd_bus_search - notify the device on the bus that no cookie leads to
 * @vcpu: the vCPU that notifies
 * @bus: the notify bus of its VM
 * @schid: subchannel-identification word, the address on the bus
 * @queue: number of the virtqueue; not in memory that anybody else can write
 *
 * Called with kvm->srcu held for reading.
 *
 * Return: the index on the bus of the device that was signalled, -EOPNOTSUPP
 * when no device accepts the notification.
 */
long ioeventfd_bus_search(struct kvm_vcpu *vcpu, const struct kvm_io_bus *bus, u32 schid,
			  const u64 *queue);

/**
 * ioeventfd_bus_notify - signal the device on the virtio-ccw notify bus
 * @vcpu: the vCPU that notifies
 * @schid: subchannel-identification word, the address on the bus
 * @queue: number of the virtqueue, all 64 bits as the guest passed them
 * @cookie: index on the bus where the device was the last time; a hint from
 *	the guest, any value is allowed
 *
 * Called with kvm->srcu held for reading. Inline for the sake of the cookie
 * that is right, which is nearly all there is.
 *
 * Return: the index on the bus of the device that was signalled (0 or more;
 * equal to @cookie only when the cookie was right), -EOPNOTSUPP when no device
 * accepts the notification, -ENOMEM when the VM has lost its bus.
 */
static inline long ioeventfd_bus_notify(struct kvm_vcpu *vcpu, u32 schid, u64 queue, s64 cookie)
{
	const struct kvm_io_bus *bus;
	unsigned long count, i;

	bus = srcu_dereference(vcpu->kvm->buses[KVM_VIRTIO_CCW_NOTIFY_BUS], &vcpu->kvm->srcu);
	if (unlikely(!bus))
		return -ENOMEM;

	count = bus->dev_count;
	/* Unsigned, so that a negative cookie is out of bounds as well. */
	if (likely((u64)cookie < count)) {
		i = array_index_nospec((u64)cookie, count);
		if (likely(ioeventfd_slot_notify(vcpu, &bus->range[i], schid, &queue)))
			return cookie;
	}
	return ioeventfd_bus_search(vcpu, bus, schid, &queue);
}

/**
 * struct diag_counters - intercepts by outcome, counted by one CPU
 * @of: indexed by enum diag_outcome; never reset, wraps at 2^64
 */
struct diag_counters {
	u64 of[DIAG_OUTCOMES];
};

/* "<pid>-<fd>", by which KVM names the directory of a VM in debugfs. */
#define DIAG_VM_NAME	24

/**
 * struct diag_tally - what was counted for one VM, and the file that shows it
 * @counters: the counters of each CPU
 * @name: of the file; written before @show is queued
 * @file: in debugfs, if it has one. This and @waiting belong to the work items,
 *	which run one at a time
 * @waiting: the file of a VM that is going still has the name
 * @list: among all tallies that are not retired
 * @show: creates the file
 * @retire: removes the file and frees this
 */
struct diag_tally {
	struct diag_counters __percpu *counters;
	char name[DIAG_VM_NAME];
	struct dentry *file;
	bool waiting;
	struct list_head list;
	struct work_struct show;
	struct work_struct retire;
};

/**
 * counters_start - prepare for counting
 *
 * May sleep. A kernel without debugfs, or with KVM's directory missing from it,
 * goes without the files: nothing else depends on them.
 *
 * Return: 0 or -ENOMEM.
 */
int counters_start(void);

/**
 * counters_show - create the file of the total
 *
 * To be called when loading cannot fail any more: who has the file open holds a
 * reference to the module, which a load that fails does not wait for. May sleep.
 */
void counters_show(void);

/**
 * counters_stop - remove the files and free the counters
 *
 * May sleep. To be called when nothing can be counted any more and each tally
 * has been retired.
 */
void counters_stop(void);

/**
 * counters_sum - sum up everything that was counted
 * @sum: the result: all VMs that are, all that were, and @diag_unattributed
 *
 * May sleep.
 */
void counters_sum(struct diag_counters *sum);

/**
 * tally_create - counters for one more VM
 *
 * Does not sleep.
 *
 * Return: the tally, all zero and without a file, or NULL when there was no memory.
 */
struct diag_tally *tally_create(void);

/**
 * tally_show - give a tally its file
 * @tally: the tally; to be called no more than once for each
 * @vm_dir: directory of the VM in debugfs, which has the right name
 *
 * Does not sleep: a work item creates the file.
 */
void tally_show(struct diag_tally *tally, const struct dentry *vm_dir);

/**
 * tally_retire - the VM is gone
 * @tally: its tally, which nobody adds to any more, and the caller forgets
 *
 * Does not sleep: a work item removes the file. What was counted stays in the
 * total.
 */
void tally_retire(struct diag_tally *tally);

/* For what has no tally, for want of memory. */
extern struct diag_counters __percpu *diag_unattributed;

/*
 * How many VMs may be on their way from creation to their name, or to their first
 * intercept where they get none. KVM does not tell when a creation fails, and who
 * may create VMs can have any number fail: further ones count as not seen.
 */
#define DIAG_VMS_UNNAMED	4096

/**
 * struct vms_hooks - addresses of functions of KVM, all called with the VM
 * @init_vm: kvm_arch_init_vm(), entered before anybody else knows the VM
 * @destroy_vm: kvm_arch_destroy_vm(), entered when no vCPU of it can run any more
 * @create_vm_debugfs: kvm_arch_create_vm_debugfs(), entered when the VM has got its
 *	directory in debugfs; 0 where there is no such function
 */
struct vms_hooks {
	unsigned long init_vm;
	unsigned long destroy_vm;
	unsigned long create_vm_debugfs;
};

/**
 * vms_start - hook the functions that create and destroy VMs
 * @hooks: their addresses
 *
 * May sleep. counters_start() must have been called.
 *
 * Return: 0, or with nothing left behind -ENOMEM or another negative errno, of
 * which -EBUSY means that kernel.ftrace_enabled is 0.
 */
int vms_start(const struct vms_hooks *hooks);

/**
 * vms_record - from now on VMs that are created count as seen
 *
 * To be called once DIAGNOSE is attached: the guest of a VM that counts as seen
 * can never have met KVM's own handler.
 */
void vms_record(void);

/**
 * vms_stop - stop seeing VMs, and forget all
 *
 * To be called when no vCPU can be in vms_seen() or diag_count() any more. May
 * sleep.
 *
 * Return: 0, or a negative errno: then ftrace still calls into vms.c, whose
 * text must stay.
 */
int vms_stop(void);

/**
 * struct diag_cpu - what a CPU knows of the VM whose intercept it had last
 * @kvm: the VM, or NULL. Only the CPU itself, with preemption off, writes
 *	anything but NULL; when a VM is destroyed, every @kvm that names it is
 *	made NULL, so that no VM can be taken for one that had its address before
 * @counters: those of @kvm on this CPU; valid while @kvm is not NULL
 * @seen: @kvm was created while the module was attached; likewise
 */
struct diag_cpu {
	const struct kvm *kvm;
	struct diag_counters *counters;
	bool seen;
};

/* Allocated, for s390 modules have no static per-CPU variables. */
extern struct diag_cpu __percpu *diag_cpus __attribute__((visibility("hidden")));

/**
 * vms_seen - was this VM created while the module was attached?
 * @kvm: a VM that cannot go away meanwhile
 *
 * Return: true when it was. False also when there was no memory to note it
 * down, which errs to the side that is always right.
 */
bool vms_seen(const struct kvm *kvm);

/**
 * vms_known_seen - does this CPU know that the VM was seen being created?
 * @kvm: a VM that cannot go away meanwhile
 *
 * Return: true when it does; false says nothing, vms_seen() has to be asked.
 */
static inline bool vms_known_seen(const struct kvm *kvm)
{
	const struct diag_cpu *cpu;
	bool seen;

	preempt_disable();
	cpu = this_cpu_ptr(diag_cpus);
	seen = READ_ONCE(cpu->kvm) == kvm && cpu->seen;
	preempt_enable();
	return seen;
}

/**
 * vms_count - count one intercept, wherever the last one of this CPU was counted
 * @kvm: its VM, which cannot go away meanwhile
 * @outcome: what became of it
 *
 * Called from thread context only. Does not sleep.
 */
void vms_count(const struct kvm *kvm, enum diag_outcome outcome);

/**
 * diag_count_known - count one intercept of the VM that this CPU had last
 * @kvm: its VM, which cannot go away meanwhile
 * @outcome: what became of it
 *
 * Called from thread context only. A plain add to a counter of this CPU:
 * this_cpu_inc() is a compare-and-swap loop on the z10 that Debian builds for.
 *
 * Return: false when nothing was counted, for it was another VM.
 */
static inline bool diag_count_known(const struct kvm *kvm, enum diag_outcome outcome)
{
	struct diag_cpu *cpu;
	bool known;

	preempt_disable();
	cpu = this_cpu_ptr(diag_cpus);
	known = likely(READ_ONCE(cpu->kvm) == kvm);
	if (known) {
		/* Read by who sums up, at any time, and written by nobody else. */
		data_race(cpu->counters->of[outcome]++);
	}
	preempt_enable();
	return known;
}

/**
 * diag_count - count one intercept
 * @kvm: its VM, which cannot go away meanwhile
 * @outcome: what became of it
 *
 * Called from thread context only. Does not sleep.
 */
static inline void diag_count(const struct kvm *kvm, enum diag_outcome outcome)
{
	if (unlikely(!diag_count_known(kvm, outcome)))
		vms_count(kvm, outcome);
}

/**
 * trace_kvm_find - find KVM's tracepoint kvm_s390_handle_diag
 *
 * May sleep.
 *
 * Return: what is not 0 for as long as trace_kvm() has to be called for a claimed
 * DIAGNOSE; always 0 where this KVM has no such tracepoint. KVM cannot patch
 * code of this module when the tracepoint is enabled, so this has to be read.
 */
const atomic_t *trace_kvm_find(void);

/**
 * trace_kvm - fire KVM's tracepoint kvm_s390_handle_diag, if it is enabled
 * @vcpu: the vCPU that was intercepted
 * @code: the function code
 *
 * To be called for what does not come to KVM's handler, before it is answered.
 */
void trace_kvm(struct kvm_vcpu *vcpu, unsigned int code);

#endif /* KVM_S390_DIAG_H */
