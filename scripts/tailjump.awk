# SPDX-License-Identifier: GPL-2.0-only
#
# Reads the disassembly of an object (objdump -tdr). The variable "direct" names a function,
# the target of a direct call (default: diag_intercept). That function must reach KVM's own
# function by tail calls only. Otherwise the check fails. In this file, KVM's handler means
# KVM's own function.
#
# walk() follows every path from the entry of that function, also through the
# functions that it jumps to. For each instruction it records a state, which maps names to
# values. A register has a name like r14. A stack slot has a name like s-8: 8 bytes below
# the stack pointer at entry. The values are:
#   R,,0    the return address at entry
#   C,,n    the stack pointer at entry, plus n
#   A,x,n   the address n bytes after the symbol x
#   P,x,n   the pointer stored at that address
# An indirect jump to R is a return. An indirect jump to P enters KVM's handler, and is
# a tail call if the stack pointer and %r14 are as at entry. Any other indirect jump,
# and any indirect call, might enter KVM's handler and is refused.
#
# A function of this object that is called, or whose address is taken, gets a walk of
# its own. Every indirect jump in it must be a return. A function of another object
# cannot enter KVM's handler, unless it gets the pointer to that handler as an argument.

BEGIN {
	FS = "\t"
	if (direct == "")
		direct = "diag_intercept"
	for (i = 0; i < 16; i++)
		digit[substr("0123456789abcdef", i + 1, 1)] = i
}

# The symbol table (objdump -t). A function can have more names than its label below.
/^[0-9a-f]+ .* F .*\t/ {
	name = $2
	sub(/.* /, "", name)
	section = $1
	sub(/.* /, "", section)
	section_of[name] = section
	value_of[name] = hex($1)
}

/^Disassembly of section / {
	section = $0
	sub(/^Disassembly of section /, "", section)
	sub(/:$/, "", section)
	section_of[section] = section
	value_of[section] = 0
}

/^[0-9a-f]+ <.*>:$/ {
	name = $0
	sub(/^[0-9a-f]+ </, "", name)
	sub(/>:$/, "", name)
	section_of[name] = section
	value_of[name] = hex($0)
	starts[count + 1] = 1
}

/^ *[0-9a-f]+:\t/ {
	count++
	function_of[count] = name
	place[count] = hex($1)
	at[section, place[count]] = count
	mnemonic[count] = $2
	sub(/ +$/, "", mnemonic[count])
	operands[count] = $3
	section_at[count] = section
}

# A relative operand begins 2 bytes after the start of its instruction.
/: R_390_/ {
	type[count] = $(NF - 1)
	symbol[count] = $NF
	addend[count] = 0
	if (match($NF, /[+-]0x[0-9a-f]+$/)) {
		symbol[count] = substr($NF, 1, RSTART - 1)
		addend[count] = hex(substr($NF, RSTART + 3))
		if (substr($NF, RSTART, 1) == "-")
			addend[count] = -addend[count]
	}
	if ($(NF - 1) ~ /DBL$|GOTENT$/)
		addend[count] -= 2
}

function hex(string,	i, sum)
{
	sub(/^ +/, "", string)
	for (i = 1; substr(string, i, 1) in digit; i++)
		sum = sum * 16 + digit[substr(string, i, 1)]
	return sum + 0
}

# A state is a list of " key=value " entries.
function get(state, key,	i)
{
	i = index(state, " " key "=")
	if (!i)
		return ""
	state = substr(state, i + length(key) + 2)
	return substr(state, 1, index(state, " ") - 1)
}

function set(state, key, value,		i)
{
	i = index(state, " " key "=")
	if (i)
		state = substr(state, 1, i) \
			substr(state, i + length(key "=" get(state, key)) + 2)
	return value == "" ? state : state key "=" value " "
}

# Returns the entries that both states have.
function meet(a, b,	n, i, entry, both)
{
	both = " "
	n = split(a, entry, " ")
	for (i = 1; i <= n; i++)
		if (index(b, " " entry[i] " "))
			both = both entry[i] " "
	return both
}

function plus(value, n,		part)
{
	if (value !~ /^[AC]/)
		return ""
	split(value, part, ",")
	return part[1] "," part[2] "," (part[3] + n)
}

# Returns the address of the operand D(B) or D(L,B), and "" for D(X,B).
function address(state, operand,	base)
{
	if (!match(operand, /^-?[0-9]+\(([0-9]+,)?%r[0-9]+\)/))
		return ""
	base = substr(operand, 1, RLENGTH - 1)
	sub(/.*%/, "", base)
	return plus(get(state, base), operand + 0)
}

function load(state, from)
{
	if (from ~ /^C/)
		return get(state, "s" substr(from, 4))
	return from ~ /^A/ ? "P" substr(from, 2) : ""
}

# Returns the state after a store, which changes every slot that contains one of its bytes.
function store(state, to, bytes, value,		slot)
{
	if (to !~ /^C/)
		return state
	to = substr(to, 4) + 0
	for (slot = to - (to % 8 + 8) % 8; slot < to + bytes; slot += 8)
		state = set(state, "s" slot, value)
	return state
}

# Returns the state after an instruction.
function step(state, i,		m, op, r, last, memory, n)
{
	m = mnemonic[i]
	split(operands[i], op, ",")

	if (kind[i] == "call") {
		# A call with another link register than %r14 is that of __fentry__, which
		# changes only that register. Any other function may change %r0 to %r5, %r14
		# and the 160 bytes above the stack pointer.
		if (op[1] != "%r14")
			return set(state, substr(op[1], 2), "")
		state = store(state, get(state, "r15"), 160, "")
		for (n = 0; n < 6; n++)
			state = set(state, "r" n, "")
		return set(state, "r14", "")
	}

	# The first operand is not a register: a store, or an instruction without a result.
	if (op[1] !~ /^%r/) {
		n = 1
		if (match(operands[i], /\([0-9]+,/))
			n = substr(operands[i], RSTART + 1) + 0
		return store(state, address(state, operands[i]), n, "")
	}

	r = substr(op[1], 2)
	last = substr(op[2], 2)
	memory = operands[i]
	sub(/^(%r[0-9]+,)+/, "", memory)
	memory = address(state, memory)

	if (m ~ /^(lmg|stmg)$/) {
		for (n = substr(r, 2) + 0; ; n = (n + 1) % 16) {
			if (m == "stmg")
				state = store(state, memory, 8, get(state, "r" n))
			else
				state = set(state, "r" n, load(state, memory))
			memory = plus(memory, 8)
			if ("r" n == last)
				return state
		}
	}
	if (m ~ /^st/)
		return store(state, memory, m ~ /^stm/ ? 64 : 1, m == "stg" ? get(state, r) : "")
	# Jumps, and comparisons with or without a jump.
	if (kind[i] == "indirect jump" || m ~ /^(nopr|tm.*|cl?g?[fh]?[riy]?(l|j.*)?)$/)
		return state

	if (type[i] ~ /GOT(ENT|12|16|20|32|64)$/)
		return set(state, r, "A," symbol[i] "," addend[i])
	if (type[i] ~ /PC32DBL$/ && m ~ /^(larl|lgrl)$/)
		return set(state, r, (m == "larl" ? "A," : "P,") symbol[i] "," addend[i])
	if (m ~ /^lt?gr$/)
		return set(state, r, get(state, last))
	if (m ~ /^ag[hf]i$/)
		return set(state, r, plus(get(state, r), op[2] + 0))
	if (type[i] == "" && m ~ /^lt?g$/)
		return set(state, r, load(state, memory))
	if (type[i] == "" && m ~ /^lay?$/)
		return set(state, r, memory)

	# The result is not known. Few instructions write to more than one register.
	state = set(state, r, "")
	if (m ~ /^(cds|cksm|cl|cu|d|epsw|flogr|lm|lpq|m|s[lr]d[al]|srst|tr)/)
		for (n in op)
			if (op[n] ~ /^%r/) {
				r = substr(op[n], 3) + 0
				state = set(state, "r" r, "")
				if (r % 2 == 0 && r < 14)
					state = set(state, "r" (r + 1), "")
			}
	return state
}

# Sets kind, target (of a direct jump or call), via (the register of an indirect jump).
function classify(i,	m, operand)
{
	m = mnemonic[i]
	operand = operands[i]
	if (symbol[i] ~ /^__s390_indirect_jump_r[0-9]/) {
		via[i] = "r" (substr(symbol[i], 23) + 0)
		kind[i] = m ~ /^j/ ? "indirect jump" : "indirect call"
		return
	}
	if (m ~ /^b[a-z]*r$/ && m !~ /^b(a|ct|s)/) {
		via[i] = operand
		sub(/.*%/, "", via[i])
		# A memory barrier is a jump to %r0, which is not taken.
		kind[i] = via[i] == "r0" ? "" : "indirect jump"
		return
	}

	if (symbol[i] in section_of)
		target[i] = at[section_of[symbol[i]], value_of[symbol[i]] + addend[i]]
	else if (symbol[i] != "")
		target[i] = "elsewhere"
	else if (match(operand, /[0-9a-f]+ <[^>]*>$/))
		target[i] = at[section_at[i], hex(substr(operand, RSTART))]

	if (m ~ /^(bras|jas)l?$/)
		kind[i] = "call"
	else if (operand ~ /<[^>]*>$/ && m !~ /rl$/)
		kind[i] = "jump"
	else if (m ~ /^(b|ex|lpsw|pc$|pr$)/)
		kind[i] = "indirect call"
}

function where(i)
{
	return sprintf("%s+0x%x", function_of[i], place[i] - value_of[function_of[i]])
}

function refuse(i, why,		operand)
{
	operand = operands[i]
	if (symbol[i] != "")
		sub(/[0-9a-f]+ <.*>$/, symbol[i], operand)
	if (!((i, why) in refused))
		print where(i) ": " mnemonic[i] " " operand ": " why > "/dev/stderr"
	refused[i, why] = 1
	refusals++
}

# Notes that control reaches instruction i with this state. Queues i if that is new.
function reach(i, new)
{
	if (i in state_at) {
		new = meet(state_at[i], new)
		if (new == state_at[i])
			return
	}
	state_at[i] = new
	todo[++todos] = i
}

# Is the last instruction before this padding a call of a function that does not return?
function ends(i)
{
	while (mnemonic[i] ~ /nop/)
		i--
	return kind[i] == "call" || mnemonic[i] == "mc"
}

# Queues a function of this object that is called here, or whose address is taken.
function also(i)
{
	if (!(target[i] in walked)) {
		walked[target[i]] = 1
		entry[++walks] = target[i]
		from[walks] = i
	}
}

# KVM's handler must not be among the arguments of a function of another object.
function leave(i, state,	n)
{
	for (n = 2; n < 7; n++)
		if (get(state, "r" n) ~ /^P/)
			passed[get(state, "r" n)] = i
}

function jump_indirect(i, state, called_from,	to)
{
	to = get(state, via[i])
	if (to ~ /^R/)
		return
	if (to !~ /^P/) {
		refuse(i, "jumps to an address that is not known to be KVM's handler")
	} else if (called_from) {
		refuse(called_from, (kind[called_from] == "call" ? "calls " : \
				     "takes the address of ") function_of[target[called_from]] \
		       "(), which enters KVM's handler at " where(i))
	} else if (get(state, "r15") != "C,,0" || get(state, "r14") != "R,,0") {
		refuse(i, "enters KVM's handler with a stack frame or another return address")
	} else if (!(i in handlers)) {
		handlers[i] = to
		jumps++
	}
}

function walk(start, called_from,	i, state)
{
	split("", state_at)
	reach(start, " r14=R,,0 r15=C,,0 ")
	while (todos) {
		i = todo[todos--]
		state = step(state_at[i], i)
		if (kind[i] == "jump" && target[i] ~ /^[0-9]/)
			reach(target[i], state)
		if (mnemonic[i] ~ /^(j|jg|br)$/ && kind[i] != "")
			continue
		if (i < count && !((i + 1) in starts))
			reach(i + 1, state)
		else if (!ends(i))
			refuse(i, "runs into what follows")
	}
	for (i in state_at) {
		state = state_at[i]
		if (kind[i] == "indirect call")
			refuse(i, "might enter KVM's handler other than by a tail call")
		else if (kind[i] == "indirect jump")
			jump_indirect(i, state, called_from)
		else if (kind[i] ~ /call|jump/ && target[i] == "")
			refuse(i, "has an unknown target")
		else if (kind[i] ~ /call|jump/ && target[i] == "elsewhere")
			leave(i, state)
		else if (kind[i] == "call" || kind[i] == "" && target[i] in starts)
			also(i)
	}
}

END {
	for (i = 1; i <= count; i++)
		classify(i)
	if (direct in section_of) {
		entry[walks = 1] = at[section_of[direct], value_of[direct]]
		for (n = 1; n <= walks; n++)
			walk(entry[n], from[n])
	}
	for (i in handlers)
		if (handlers[i] in passed)
			refuse(passed[handlers[i]], "passes on the address of KVM's handler")
	if (refusals || !jumps) {
		print direct "() does not reach KVM's handler by tail calls" \
		      " only; unloading this module would not be safe" > "/dev/stderr"
		exit 1
	}
	print jumps " tail jumps"
}
