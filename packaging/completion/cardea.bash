# Completion of cardea for bash: sourced by bash-completion from its folder of completions, or from ~/.bashrc.
# shellcheck shell=bash

_cardea_commands="serve check config schema init user access gate trace proxy-config mail relay session token client key cert audit backup restore migrate demo version help"

declare -gA _cardea_actions=(
        [config]="show"
        [user]="add invite list show set reset passwd claims disable enable lock unlock remove totp link unlink import export"
        [access]="test"
        [gate]="test"
        [trace]="login"
        [mail]="test"
        [relay]="link"
        [session]="list end"
        [token]="list revoke"
        [client]="add list show secret remove"
        [key]="generate list rotate retire export rotate-master"
        [cert]="new renew"
        [audit]="tail"
)

declare -gA _cardea_options=(
        ["serve"]="--config"
        ["check"]="--config --json --online"
        ["config"]="--config --json"
        ["schema"]=""
        ["init"]="--dir --issuer --listen --store --user"
        ["user add"]="--claim --config --disabled --display-name --email --email-verified --group --password-file"
        ["user invite"]="--config --display-name --email --expires --group --json --no-mail"
        ["user list"]="--config --json"
        ["user show"]="--config --json"
        ["user set"]="--add-group --config --display-name --email --email-verified --remove-display-name --remove-email --remove-group"
        ["user reset"]="--config --json --no-mail"
        ["user passwd"]="--config --password-file"
        ["user claims"]="--config --replace"
        ["user disable"]="--config"
        ["user enable"]="--config"
        ["user lock"]="--config"
        ["user unlock"]="--config"
        ["user remove"]="--config --yes"
        ["user totp"]="--config"
        ["user link"]="--config --provider --subject"
        ["user unlink"]="--config --provider --subject"
        ["user import"]="--config --dry-run --format --update"
        ["user export"]="--config"
        ["session list"]="--config --json --user"
        ["session end"]="--config --id --user"
        ["token list"]="--config --json --user"
        ["token revoke"]="--config --id --user"
        ["access test"]="--address --age --audience --config --factors --group --host --method --path --scope --user"
        ["gate test"]="--address --age --config --factors --group --json --method --user"
        ["proxy-config"]="--cardea --config --host --include --upstream"
        ["trace login"]="--config --paste"
        ["mail test"]="--config --to"
        ["relay link"]="--config --data --expires --host --path --url"
        ["client add"]="--alg --audience --config --grant-type --introspect --json --scope"
        ["client list"]="--config --json"
        ["client show"]="--config --json"
        ["client secret"]="--config --json"
        ["client remove"]="--config --yes"
        ["key generate"]="--alg --bits --config"
        ["key list"]="--config --json"
        ["key rotate"]="--alg --bits --config --now"
        ["key retire"]="--config"
        ["key export"]="--config --kid --pem"
        ["cert new"]="--ca-key --days --dir"
        ["cert renew"]="--ca-key --days --dir"
        ["audit tail"]="--config --follow --json --lines"
        ["backup"]="--config --force"
        ["restore"]="--config --keep-sessions --replace"
        ["key rotate-master"]="--config --leaked --make"
        ["migrate"]="--check --config"
        ["demo"]="--port-base"
        ["version"]=""
        ["help"]=""
)

_cardea()
{
        local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]} key
        COMPREPLY=()
        if ((COMP_CWORD == 1)); then
                mapfile -t COMPREPLY < <(compgen -W "$_cardea_commands --help --version" -- "$current")
                return
        fi
        case $previous in
        --config | -c | --password-file)
                mapfile -t COMPREPLY < <(compgen -f -- "$current")
                return
                ;;
        --dir | -d)
                mapfile -t COMPREPLY < <(compgen -d -- "$current")
                return
                ;;
        --alg)
                mapfile -t COMPREPLY < <(compgen -W "ES256 RS256 EdDSA" -- "$current")
                return
                ;;
        --bits)
                mapfile -t COMPREPLY < <(compgen -W "2048 3072" -- "$current")
                return
                ;;
        --format)
                mapfile -t COMPREPLY < <(compgen -W "htpasswd jsonl authelia otpauth" -- "$current")
                return
                ;;
        --grant-type)
                mapfile -t COMPREPLY < <(compgen -W "client_credentials password" -- "$current")
                return
                ;;
        esac
        if [[ $command == help ]]; then
                if ((COMP_CWORD == 2)); then
                        mapfile -t COMPREPLY < <(compgen -W "$_cardea_commands" -- "$current")
                elif ((COMP_CWORD == 3)); then
                        mapfile -t COMPREPLY < <(compgen -W "${_cardea_actions[${COMP_WORDS[2]}]-}" -- "$current")
                fi
                return
        fi
        if ((COMP_CWORD == 2)) && [[ $current != -* && -n ${_cardea_actions[$command]-} ]]; then
                mapfile -t COMPREPLY < <(compgen -W "${_cardea_actions[$command]}" -- "$current")
                return
        fi
        if ((COMP_CWORD == 2)) && [[ $command == proxy-config && $current != -* ]]; then
                mapfile -t COMPREPLY < <(compgen -W "nginx caddy haproxy apache uwsgi traefik envoy" -- "$current")
                return
        fi
        key=$command
        [[ -n ${_cardea_options[$command ${COMP_WORDS[2]}]-} ]] && key="$command ${COMP_WORDS[2]}"
        if [[ $current == -* ]]; then
                mapfile -t COMPREPLY < <(compgen -W "${_cardea_options[$key]-} --help" -- "$current")
        elif [[ $key == "user import" ]]; then
                mapfile -t COMPREPLY < <(compgen -f -- "$current")
        fi
}

complete -o filenames -F _cardea cardea
