# Completion of cardea for bash: sourced by bash-completion from its folder of completions, or from ~/.bashrc.
# The program says what there is to offer; see src/cmd/complete.c.
# shellcheck shell=bash

_cardea()
{
        local words line current prefix
        COMPREPLY=()
        # Not COMP_WORDS, which are split at "@" and "=", too.
        read -ra words <<<"${COMP_LINE:0:COMP_POINT}"
        [[ ${COMP_LINE:0:COMP_POINT} == *[[:space:]] ]] && words+=("")
        current=${words[-1]}
        prefix=${current%"${current##*[@=:]}"}
        while IFS= read -r line; do
                case $line in
                :files)
                        compopt -o filenames 2>/dev/null
                        mapfile -t COMPREPLY < <(compgen -f -- "${current#--*=}")
                        ;;
                :folders)
                        compopt -o filenames 2>/dev/null
                        mapfile -t COMPREPLY < <(compgen -d -- "${current#--*=}")
                        ;;
                *)
                        line=${line%%$'\t'*}
                        COMPREPLY+=("${line#"$prefix"}")
                        ;;
                esac
        done < <("${words[0]}" complete "${words[@]:1}" 2>/dev/null)
}

complete -F _cardea cardea
