# SPDX-License-Identifier: MIT
# bash completion for tgpu. It asks tgpu itself (cli/complete.c) and knows nothing of its own.

_tgpu() {
	local -a words=() first=() lines=()
	local word line text rest=$COMP_LINE breaks=${COMP_WORDBREAKS//[!=:]/} kept='' at=0 i=0

	# Bash takes words apart at "=" and ":". What stands together on the line is one word, as tgpu reads it;
	# first[] says where it begins for bash.
	for word in "${COMP_WORDS[@]:0:COMP_CWORD+1}"; do
		if ((at > 0)) && [[ $rest != [[:space:]]* ]]; then
			words[at - 1]+=$word
		else
			first[at]=$i
			words[at++]=$word
		fi
		rest=${rest#"${rest%%[![:space:]]*}"}
		rest=${rest#"$word"}
		((++i))
	done
	mapfile -t lines < <("$1" complete "${words[@]:1}" 2>/dev/null)
	COMPREPLY=()
	case ${lines[0]-} in
	@files) compopt -o default ;;
	@dirs) compopt -o dirnames ;;
	@command*)
		if declare -F _command_offset >/dev/null; then
			_command_offset "${first[${lines[0]#@command } + 1]}"
		else
			mapfile -t COMPREPLY < <(compgen -c -- "${COMP_WORDS[COMP_CWORD]}" | sort -u)
		fi
		;;
	*)
		# What is before the last place where bash takes the word apart stays as it is.
		word=${words[at - 1]}
		[[ -z $breaks ]] || kept=${word%"${word##*["$breaks"]}"}
		# Explanations are shown beside several candidates, and must not be filled in with a single one.
		for line in "${lines[@]}"; do
			text=${line%%$'\t'*}
			text=${text#"$kept"}
			((${#lines[@]} == 1)) || [[ $line == *$'\t' ]] ||
				printf -v text '%-*.*s' $((${COLUMNS:-80} - 1)) $((${COLUMNS:-80} - 1)) \
					"$(printf '%-12s  %s' "$text" "${line#*$'\t'}")"
			COMPREPLY+=("$text")
		done
		# "afterok:" goes on.
		[[ ${COMPREPLY[*]} != *: ]] || compopt -o nospace
		;;
	esac
}

complete -o nosort -F _tgpu tgpu
