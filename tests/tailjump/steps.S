/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Functions with one step each that scripts/tailjump.awk must follow. tests/tailjump/run
 * passes each of them to the check as diag_intercept(). The comment is the reason that the
 * check must print for a function that it must refuse.
 */
	.macro	accept name
	.type	\name,@function
\name:
	.endm

	.macro	refuse name
	.type	\name,@function
\name:
	.endm

	/* A stack frame with the save area of a callee (160 bytes) and two slots above it. */
	.macro	frame
	stg	%r14,112(%r15)
	aghi	%r15,-176
	.endm

	.macro	unframe
	aghi	%r15,176
	lg	%r14,112(%r15)
	.endm

	.text
	/* What a call changes */

	accept	pointer_in_own_slot
	frame
	lgrl	%r1,kvm_handler
	stg	%r1,160(%r15)
	brasl	%r14,account@PLT
	lg	%r1,160(%r15)
	unframe
	br	%r1

	refuse	pointer_in_save_area		/* jumps to an address */
	frame
	lgrl	%r1,kvm_handler
	stg	%r1,152(%r15)
	brasl	%r14,account@PLT
	lg	%r1,152(%r15)
	unframe
	br	%r1

	accept	register_of_the_caller
	frame
	lgrl	%r7,kvm_handler
	brasl	%r14,account@PLT
	unframe
	br	%r7

	refuse	register_of_a_callee		/* jumps to an address */
	frame
	lgrl	%r1,kvm_handler
	brasl	%r14,account@PLT
	unframe
	br	%r1

	/* What a store changes */

	refuse	slot_never_written		/* jumps to an address */
	lg	%r1,-24(%r15)
	br	%r1

	refuse	pointer_stored_elsewhere	/* jumps to an address */
	lgrl	%r1,kvm_handler
	stg	%r1,0(%r2)
	lg	%r1,0(%r15)
	br	%r1

	refuse	slot_overwritten_by_mvi		/* jumps to an address */
	frame
	lgrl	%r1,kvm_handler
	stg	%r1,160(%r15)
	mvi	160(%r15),0
	lg	%r1,160(%r15)
	unframe
	br	%r1

	accept	slot_above_mvi
	frame
	lgrl	%r1,kvm_handler
	stg	%r1,168(%r15)
	mvi	167(%r15),0
	lg	%r1,168(%r15)
	unframe
	br	%r1

	refuse	slot_overwritten_by_mvc		/* jumps to an address */
	frame
	lgrl	%r1,kvm_handler
	stg	%r1,168(%r15)
	mvc	160(9,%r15),0(%r2)
	lg	%r1,168(%r15)
	unframe
	br	%r1

	refuse	slot_overwritten_by_st		/* jumps to an address */
	frame
	lgrl	%r1,kvm_handler
	stg	%r1,160(%r15)
	st	%r2,164(%r15)
	lg	%r1,160(%r15)
	unframe
	br	%r1

	refuse	slot_overwritten_by_stm		/* jumps to an address */
	frame
	lgrl	%r1,kvm_handler
	stg	%r1,168(%r15)
	stm	%r2,%r5,160(%r15)
	lg	%r1,168(%r15)
	unframe
	br	%r1

	refuse	stmg_loads_nothing		/* jumps to an address */
	larl	%r1,kvm_handler
	stmg	%r2,%r3,0(%r1)
	br	%r2

	/* What other instructions change */

	refuse	pointer_changed_by_aghi		/* jumps to an address */
	lgrl	%r1,kvm_handler
	aghi	%r1,2
	br	%r1

	refuse	stack_pointer_changed_by_ag	/* with a stack frame */
	lgrl	%r1,kvm_handler
	aghi	%r15,-176
	ag	%r15,176(%r15)
	br	%r1

	refuse	second_register_of_a_pair	/* jumps to an address */
	lgrl	%r1,kvm_handler
	flogr	%r0,%r2
	br	%r1

	refuse	second_operand			/* jumps to an address */
	lgrl	%r1,kvm_handler
	srst	%r2,%r1
	br	%r1

	accept	second_operand_of_a_sum
	lgrl	%r1,kvm_handler
	agr	%r2,%r1
	br	%r1

	accept	single_product
	frame
	msgr	%r14,%r14
	unframe
	lgrl	%r1,kvm_handler
	br	%r1

	/* Where two paths meet */

	refuse	pointer_on_one_path		/* jumps to an address */
	cgije	%r2,0,1f
	lgrl	%r1,kvm_handler
1:	br	%r1

	refuse	pointer_on_the_other_path	/* jumps to an address */
	lgrl	%r1,kvm_handler
	cgije	%r2,0,1f
	lgr	%r1,%r3
1:	br	%r1

	/* Symbols and targets */

	accept	pointer_by_got
	lg	%r1,kvm_handler@GOT(%r12)
	lg	%r1,0(%r1)
	br	%r1

	refuse	pointer_by_got_given_away	/* passes on the address */
	frame
	lg	%r2,kvm_handler@GOT(%r12)
	lg	%r2,0(%r2)
	brasl	%r14,give_away@PLT
	unframe
	lgrl	%r1,kvm_handler
	cgije	%r2,0,1f
	br	%r1
1:	br	%r1

	accept	target_before_a_symbol
	jg	symbol-8
	lgrl	%r1,kvm_handler
	br	%r1
	.globl	symbol
symbol:	br	%r14
	br	%r14
	br	%r14

	refuse	target_in_an_instruction	/* <diag_intercept+0x6>: has an unknown target */
	je	.+6
	lgrl	%r1,kvm_handler
	br	%r1

	refuse	callee_without_type		/* calls without_type() */
	frame
	brasl	%r14,without_type
	unframe
	lgrl	%r1,kvm_handler
	br	%r1
	.globl	without_type
without_type:
	lgrl	%r1,kvm_handler
	br	%r1

	refuse	program_return			/* might enter */
	lgrl	%r1,kvm_handler
	pr
	br	%r1

	.section .note.GNU-stack,"",@progbits
