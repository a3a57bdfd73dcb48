# SPDX-License-Identifier: MIT
# bash completion for tgpu. It asks tgpu itself (cli/complete.c) and knows nothing of its own.

_tgpu() {
	local -a words=() lines=() at=0
	local word line text

	# Bash takes "--state=queued" apart at the "="; together again, it is what tgpu reads.
	for word in "${COMP_WORDS[@]:1:COMP_CWORD}"; do
		if ((at > 0)) && [[ $word == "=" || ${words[at - 1]} == --*= ]]; then
			words[at - 1]+=$word
		else
			words[at++]=$word
		fi
	done
	mapfile -t lines < <("$1" complete "${words[@]}" 2>/dev/null)
	COMPREPLY=()
	case ${lines[0]-} in
	@files) compopt -o default ;;
	@dirs) compopt -o dirnames ;;
	@command*)
		if declare -F _command_offset >/dev/null; then
			_command_offset $((${lines[0]#@command } + 1))
		else
			mapfile -t COMPREPLY < <(compgen -c -- "${COMP_WORDS[COMP_CWORD]}" | sort -u)
		fi
		;;
	*)
		# Explanations are shown beside several candidates, and must not be filled in with a single one.
		for line in "${lines[@]}"; do
			text=${line%%$'\t'*}
			[[ ${words[at - 1]} != --*=* ]] || text=${text#*=}
			((${#lines[@]} == 1)) || [[ $line == *$'\t' ]] ||
				printf -v text '%-*.*s' $((${COLUMNS:-80} - 1)) $((${COLUMNS:-80} - 1)) \
					"$(printf '%-12s  %s' "$text" "${line#*$'\t'}")"
			COMPREPLY+=("$text")
		done
		;;
	esac
}

complete -o nosort -F _tgpu tgpu
