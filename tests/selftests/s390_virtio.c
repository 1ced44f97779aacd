// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests the older s390-virtio transport: subcodes 0 (notify, early text), 1 (reset) and
 * 2 (set status) of function 0x500, and external interrupt 0x2603 to the guest. Userspace,
 * which is this program, implements the transport. The module must forward each call
 * unchanged.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>

#include "diag_util.h"

/* Subcodes of function 0x500. */
#define NOTIFY		0
#define RESET		1
#define SET_STATUS	2

#define EXT_VIRTIO	0x2603
/* The interruption stores this in the field that otherwise holds a CPU address. */
#define SUBCODE_VIRTIO	0x0d00

#define PSW_MASK_EXT	0x0100000000000000UL
#define CR0_SERVICE	0x200UL

#define RING_ENTRIES	16
#define RING_ALIGN	4096

/* The device descriptors follow one another in the page above the guest's memory. */
struct device_desc {
	uint8_t type;		/* 0 ends the list */
	uint8_t num_vq;
	uint8_t feature_len;	/* bytes of each feature bitmap: offered, acknowledged */
	uint8_t config_len;
	uint8_t status;
	uint8_t config[];	/* virtqueues, both feature bitmaps, configuration */
};

struct vq_config {
	uint64_t token;		/* chosen by the guest, returned with the interrupt */
	uint64_t address;	/* of the ring, which is also above the guest's memory */
	uint16_t num;
};

#define TRANSMIT	1	/* the console's second queue */
#define TOKEN		0x7000001234567000UL

/* A second mapping of the guest's lowcore, because a pointer to address 0 would be NULL. */
#define LOWCORE		0x7000000UL

static const char early_text[] = "early text of the guest";
static const char sent_text[] = "a string that goes through the virtqueue";

static size_t desc_size(const struct device_desc *d)
{
	return sizeof(*d) + d->num_vq * sizeof(struct vq_config) + 2 * d->feature_len +
	       d->config_len;
}

/* Guest code */

static __always_inline uint64_t guest_real(const void *p)
{
	uint64_t real;

	asm volatile("lra %0,0(%1)" : "=d" (real) : "a" (p) : "cc");
	return real;
}

/* Enables the external interrupt, and waits for it. */
static void guest_wait(void)
{
	struct psw wait = { PSW_MASK_DAT | PSW_MASK_EXT | PSW_MASK_WAIT, 0 };
	volatile struct psw *new = (void *)(LOWCORE + LC_EXT_NEW_PSW);
	uint64_t cr0;

	asm volatile("stctg 0,0,%0" : "=Q" (cr0));
	cr0 |= CR0_SERVICE;
	asm volatile("lctlg 0,0,%0" : : "Q" (cr0));
	new->mask = PSW_MASK_DAT;
	/* With the interrupt's new PSW, the guest continues after the wait. */
	asm volatile("	larl	1,0f\n"
		     "	stg	1,8(%0)\n"
		     "	lpswe	%1\n"
		     "0:\n" : : "a" (new), "Q" (wait) : "1", "memory");
}

static void guest_set_status(struct device_desc *d, uint8_t status)
{
	d->status |= status;
	GUEST_ASSERT_2(!guest_virtio_call(SET_STATUS, (uint64_t)d), d, status);
}

static void guest_code(uint64_t memory_size)
{
	struct device_desc *d = (void *)memory_size;
	struct vq_config *vq;
	struct vring ring;

	GUEST_ASSERT(!guest_virtio_call(NOTIFY, guest_real(early_text)));

	while (d->type != VIRTIO_ID_CONSOLE) {
		GUEST_ASSERT(d->type);
		d = (void *)d + desc_size(d);
	}
	GUEST_ASSERT_2(d->num_vq == 2, d->num_vq, d->type);
	guest_set_status(d, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	guest_set_status(d, VIRTIO_CONFIG_S_DRIVER);

	vq = (struct vq_config *)d->config + TRANSMIT;
	vq->token = TOKEN;
	vring_init(&ring, vq->num, (void *)vq->address, RING_ALIGN);
	guest_set_status(d, VIRTIO_CONFIG_S_DRIVER_OK);

	ring.desc[0].addr = guest_real(sent_text);
	ring.desc[0].len = sizeof(sent_text);
	ring.avail->ring[0] = 0;
	WRITE_ONCE(ring.avail->idx, 1);
	GUEST_ASSERT(!guest_virtio_call(NOTIFY, vq->address));
	guest_wait();
	GUEST_ASSERT_2(*(uint16_t *)(LOWCORE + LC_EXT_CODE) == EXT_VIRTIO,
		       *(uint16_t *)(LOWCORE + LC_EXT_CODE), 0);
	GUEST_ASSERT(*(uint16_t *)(LOWCORE + LC_EXT_CODE - 2) == SUBCODE_VIRTIO);
	GUEST_ASSERT_2(*(uint64_t *)(LOWCORE + LC_EXT_PARAMS2) == TOKEN,
		       *(uint64_t *)(LOWCORE + LC_EXT_PARAMS2), TOKEN);
	GUEST_ASSERT(READ_ONCE(ring.used->idx) == 1 && ring.used->ring[0].id == 0);

	GUEST_ASSERT(!guest_virtio_call(RESET, (uint64_t)d));
	GUEST_ASSERT_2(!READ_ONCE(d->status), d->status, 0);
	GUEST_DONE();
}

/* Userspace */

struct vmm {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	uint64_t memory_size;
	uint64_t console;		/* address of its descriptor */
	char early[64], sent[64];
	uint8_t statuses[3];
	int status_calls, notifications, resets, unknown;
};

static struct vq_config *transmit_queue(struct vmm *v)
{
	struct device_desc *d = addr_gpa2hva(v->vm, v->console);

	return (struct vq_config *)d->config + TRANSMIT;
}

static void put_devices(struct vmm *v)
{
	struct device_desc *d = addr_gpa2hva(v->vm, v->memory_size);
	struct vq_config *vqs;
	int i;

	*d = (struct device_desc){ .type = VIRTIO_ID_RNG, .num_vq = 1 };
	v->console = v->memory_size + desc_size(d);
	d = addr_gpa2hva(v->vm, v->console);
	*d = (struct device_desc){
		.type = VIRTIO_ID_CONSOLE, .num_vq = 2, .feature_len = 1, .config_len = 4,
	};
	vqs = (struct vq_config *)d->config;
	for (i = 0; i < 2; i++) {
		vqs[i].num = RING_ENTRIES;
		vqs[i].address = v->memory_size + (1 + 2 * i) * RING_ALIGN;
	}
}

/* Takes the buffer that the guest has sent, and interrupts the guest. */
static void serve_ring(struct vmm *v)
{
	struct vq_config *vq = transmit_queue(v);
	struct kvm_s390_interrupt interrupt = {
		.type = KVM_S390_INT_VIRTIO,
		.parm = 0,
		.parm64 = vq->token,
	};
	struct vring_desc *desc;
	struct vring ring;

	vring_init(&ring, vq->num, addr_gpa2hva(v->vm, vq->address), RING_ALIGN);
	desc = &ring.desc[ring.avail->ring[0]];
	if (ring.avail->idx != 1 || desc->len > sizeof(v->sent))
		return;
	memcpy(v->sent, addr_gpa2hva(v->vm, desc->addr), desc->len);
	ring.used->ring[0].id = ring.avail->ring[0];
	ring.used->idx = 1;
	vm_ioctl(v->vm, KVM_S390_INTERRUPT, &interrupt);
}

static int64_t serve_call(struct vmm *v, uint64_t subcode, uint64_t address)
{
	struct device_desc *d = addr_gpa2hva(v->vm, v->console);

	if (subcode == NOTIFY && address < v->memory_size) {
		strncpy(v->early, addr_gpa2hva(v->vm, address), sizeof(v->early) - 1);
	} else if (subcode == NOTIFY && address == transmit_queue(v)->address) {
		v->notifications++;
		serve_ring(v);
	} else if (subcode == SET_STATUS && address == v->console && v->status_calls < 3) {
		v->statuses[v->status_calls++] = d->status;
	} else if (subcode == RESET && address == v->console) {
		v->resets++;
		d->status = 0;
	} else {
		v->unknown++;
		return -ENOENT;
	}
	return 0;
}

static void test_transport(const char *title, const char *param)
{
	struct vmm v = {};
	__u64 *gprs;
	struct ucall uc;
	uint64_t counted, calls = 0;

	if (param)
		module_attach(param);
	/* A VM with this transport has no CSS support. */
	v.vm = vm_create_with_one_vcpu(&v.vcpu, guest_code);
	v.memory_size = memslot2region(v.vm, 0)->region.memory_size;
	vm_userspace_mem_region_add(v.vm, VM_MEM_SRC_ANONYMOUS, v.memory_size, 1, 256, 0);
	virt_map(v.vm, v.memory_size, v.memory_size, 6);
	virt_map(v.vm, LOWCORE, 0, 2);
	put_devices(&v);
	vcpu_args_set(v.vcpu, 1, v.memory_size);

	gprs = v.vcpu->run->s.regs.gprs;
	for (vcpu_run(v.vcpu); at_diagnose(v.vcpu, 0x500); vcpu_run(v.vcpu)) {
		answer(v.vcpu, serve_call(&v, gprs[1], gprs[2]));
		calls++;
	}
	counted = module_counted("forwarded_other_subcode");
	get_ucall(v.vcpu, &uc);
	if (uc.cmd == UCALL_ABORT)
		ksft_print_msg("%s: %s, values %#lx %#lx\n", title, (char *)uc.args[0],
			       uc.args[3], uc.args[4]);
	ksft_test_result(uc.cmd == UCALL_DONE && !v.unknown, "%s: the guest completes its test\n",
			 title);
	ksft_test_result(!strcmp(v.early, early_text), "%s: early text: '%s'\n", title, v.early);
	ksft_test_result(v.status_calls == 3 && v.statuses[0] == 1 && v.statuses[1] == 3 &&
			 v.statuses[2] == 7,
			 "%s: the guest sets the device's status in three steps\n", title);
	ksft_test_result(v.notifications == 1 && !strcmp(v.sent, sent_text),
			 "%s: text through the virtqueue: '%s'\n", title, v.sent);
	ksft_test_result(v.resets == 1, "%s: the device is reset\n", title);
	ksft_test_result(calls == 6 && counted == (param ? calls : 0),
			 "%s: %lu hypercalls, %lu forwarded by the module\n", title, calls,
			 counted);
	kvm_vm_free(v.vm);
	if (param)
		module_detach();
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	ksft_print_header();
	test_transport("KVM alone", NULL);
	test_transport("claim=all", "claim=all");
	test_transport("claim=0x500", "claim=0x500");
	return ksft_end();
}
