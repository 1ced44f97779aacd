# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Completes the arguments of kvm-s390-diag-stat in bash. It is installed in
# /usr/share/bash-completion/completions, under the name of the program.

# Prints the value of one label of each VM.
_kvm_s390_diag_stat_vms()
{
	"$1" --prometheus 2> /dev/null |
		sed -n "s/^kvm_s390_diag_vm_intercepts_total{.*$2=\"\([^\"\\\\]*\)\".*/\1/p" | sort -u
}

_kvm_s390_diag_stat()
{
	local word=${COMP_WORDS[COMP_CWORD]} values='' value
	case ${COMP_WORDS[COMP_CWORD - 1]} in
	-f|--fields)
		values=$("$1" -f help 2> /dev/null; echo help) ;;
	-g|--guest)
		values=$(_kvm_s390_diag_stat_vms "$1" guest) ;;
	-p|--pid)
		values=$(_kvm_s390_diag_stat_vms "$1" vm | sed 's/-.*//') ;;
	--queues)
		values=$(_kvm_s390_diag_stat_vms "$1" guest; _kvm_s390_diag_stat_vms "$1" vm) ;;
	-L|--log-to-file|--prometheus)
		compopt -o default ;;
	--path)
		compopt -o dirnames ;;
	esac
	case $word in
	-*) values="-1 --once --batch -c --csv -f --fields -g --guest -h --help -i --include-past
		--debugfs-include-past -j --json -L --log-to-file -l --log -p --pid --path
		--prometheus --queues -s --set-delay --version -z --skip-zero-records"
		values=${values//[[:space:]]/$'\n'} ;;
	esac
	# Not "compgen -W", which would run commands that the name of a guest contains.
	COMPREPLY=()
	while IFS= read -r value; do
		[[ -z $value || $value != "$word"* ]] || COMPREPLY+=("$(printf %q "$value")")
	done <<< "$values"
}

complete -F _kvm_s390_diag_stat kvm-s390-diag-stat
