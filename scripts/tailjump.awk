# SPDX-License-Identifier: GPL-2.0-only
#
# Reads a disassembly of diag.o and fails unless diag_intercept() reaches KVM's
# handler by jumps. On the way to it there may be no indirect call (basr, or a
# brasl to an expoline thunk) and no call of a function that is on the way too,
# and there must be an indirect jump (br, or a jg to such a thunk) other than the
# return.

/^[0-9a-f]+ <.*>:$/ {
	inside = $2 ~ /^<(diag_intercept|dispatch_slowpath|leave_slowpath)[.>]/
	seen += inside
	pending = 0
}

# A call within the object may be resolved, or a relocation follows it.
inside && /\tbrasl\t.*<(diag_intercept|dispatch_slowpath|leave_slowpath)[.>]/ {
	calls++
}

inside && pending == 1 && /R_390.*(diag_intercept|dispatch_slowpath|leave_slowpath)/ {
	calls++
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
	if (calls || !jumps || seen < 3) {
		print "diag.o: diag_intercept() does not tail-jump to KVM's handler;" \
		      " unloading this module would not be safe" > "/dev/stderr"
		exit 1
	}
	print jumps " tail jumps"
}
