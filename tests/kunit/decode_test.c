// SPDX-License-Identifier: GPL-2.0-only
/* Tests how the function code is decoded. */
#include "vm.h"

static void no_base_is_displacement(struct kunit *test)
{
	struct test_vm *vm = test_vm_create(test);
	u16 d2;

	/* B2 = 0 means that there is no base, so the value of register 0 is not used. */
	vm->vcpu->run->s.regs.gprs[0] = 0x1234;
	for (d2 = 0; d2 < 0x1000; d2++) {
		test_set_insn(vm, 0, d2);
		KUNIT_ASSERT_EQ(test, diag_function_code(vm->vcpu), d2);
	}
}

static void every_base_and_displacement(struct kunit *test)
{
	struct test_vm *vm = test_vm_create(test);
	u16 d2;
	u8 b2;

	for (b2 = 1; b2 < 16; b2++) {
		test_set_gprs(vm, 0, 0, 0, 0);
		vm->vcpu->run->s.regs.gprs[b2] = 0x4000 + b2;
		for (d2 = 0; d2 < 0x1000; d2++) {
			test_set_insn(vm, b2, d2);
			KUNIT_ASSERT_EQ(test, diag_function_code(vm->vcpu), 0x4000 + b2 + d2);
		}
	}
}

static void sum_wraps_at_16_bits(struct kunit *test)
{
	struct test_vm *vm = test_vm_create(test);

	test_set_insn(vm, 5, 0x501);
	vm->vcpu->run->s.regs.gprs[5] = 0xffff;
	KUNIT_EXPECT_EQ(test, diag_function_code(vm->vcpu), 0x500);
	vm->vcpu->run->s.regs.gprs[5] = U64_MAX;
	KUNIT_EXPECT_EQ(test, diag_function_code(vm->vcpu), 0x500);
}

static void upper_48_bits_are_ignored(struct kunit *test)
{
	struct test_vm *vm = test_vm_create(test);
	int bit;

	test_set_insn(vm, 7, 0x300);
	for (bit = 16; bit < 64; bit++) {
		vm->vcpu->run->s.regs.gprs[7] = 0x200 | BIT_ULL(bit);
		KUNIT_EXPECT_EQ(test, diag_function_code(vm->vcpu), 0x500);
	}
}

static void r1_and_r3_of_the_instruction_mean_nothing(struct kunit *test)
{
	struct test_vm *vm = test_vm_create(test);

	test_set_insn(vm, 0, 0x500);
	vm->vcpu->arch.sie_block->ipa = DIAG_IPA | 0xff;
	KUNIT_EXPECT_EQ(test, diag_function_code(vm->vcpu), 0x500);
	/* SIE stores 6 bytes. The last two do not belong to the DIAGNOSE. */
	vm->vcpu->arch.sie_block->ipb |= 0xffff;
	KUNIT_EXPECT_EQ(test, diag_function_code(vm->vcpu), 0x500);
}

static void all_function_codes(struct kunit *test)
{
	struct test_vm *vm = test_vm_create(test);
	u32 code;

	test_set_insn(vm, 9, 0x123);
	for (code = 0; code < 0x10000; code++) {
		vm->vcpu->run->s.regs.gprs[9] = (u16)(code - 0x123);
		KUNIT_ASSERT_EQ(test, diag_function_code(vm->vcpu), code);
	}
}

static struct kunit_case decode_cases[] = {
	KUNIT_CASE(no_base_is_displacement),
	KUNIT_CASE(every_base_and_displacement),
	KUNIT_CASE(sum_wraps_at_16_bits),
	KUNIT_CASE(upper_48_bits_are_ignored),
	KUNIT_CASE(r1_and_r3_of_the_instruction_mean_nothing),
	KUNIT_CASE(all_function_codes),
	{}
};

static struct kunit_suite decode_suite = {
	.name = "diag-decode",
	.test_cases = decode_cases,
};

kunit_test_suite(decode_suite);
