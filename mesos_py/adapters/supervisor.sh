# Runs one container's command and notes how it ended: sh supervisor.sh CONTAINER_ID SANDBOX LIMITS COMMAND [ARGUMENT...]
#
# It is given: stdin for the command; stdout, the agent's run log; stderr, nowhere; and as its environment exactly what
# the command shall have. So its own variables must not be names that could come from there: they begin with _s_, and
# the agent passes an environment with such a name in another way. It outlives the agent and every signal but KILL.

limits() {
    while [ $# -gt 1 ]; do
        ulimit "$1" "$2" || return
        shift 2
    done
}

run() {
    _s_ran=1
    shift 3
    case $1 in
    */*) "$@" ;;      # by vfork
    *) (exec "$@") ;; # never a builtin of this shell
    esac
}

main() {
    trap : HUP INT QUIT PIPE ALRM TERM USR1 USR2
    cd "$2" || { echo "ended $1 sandbox"; exit 1; }
    unset PWD OLDPWD
    [ -z "$3" ] || limits $3 || { echo "ended $1 limits"; exit 1; }
    run "$@" >>stdout 2>>stderr
    echo "ended $1 ${_s_ran:+$?}"
    exit
}

main "$@"
