# SPDX-License-Identifier: GPL-2.0-only
#
# Reads a disassembly of attach.o and fails unless diag_intercept() reaches KVM's
# handler by a jump: no indirect call (basr, or a brasl to an expoline thunk),
# and an indirect jump (br, or a jg to such a thunk) other than the return.

/^[0-9a-f]+ <.*>:$/ {
	inside = $2 == "<diag_intercept>:"
}

inside && /\tbasr\t/ {
	calls++
}

inside && /\tbrasl\t/ {
	pending = 1
}

inside && /\tbr\t%r([0-9]|1[0-35])$/ {
	jumps++
}

inside && /\tjg\t/ {
	pending = 2
}

inside && /__s390_indirect_jump_r/ && !/__s390_indirect_jump_r14/ {
	if (pending == 1)
		calls++
	else
		jumps++
}

END {
	if (calls || !jumps) {
		print "attach.o: diag_intercept() does not tail-jump to KVM's handler;" \
		      " unloading this module would not be safe" > "/dev/stderr"
		exit 1
	}
	print jumps " tail jumps"
}
