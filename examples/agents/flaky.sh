#!/bin/sh
# Checks the white space of one file, and fails on purpose in a share of its attempts, to show what failing looks like.
# Which attempts fail follows from the numbers of the job and the attempt; the last one never does.
# Arguments: path; share, in percent (default 40).
. "${0%/*}/lib.sh"

share=${AGENTOS_ARG_SHARE:-40}
number share "$share" 0 100
use_file
is_text || fail 'not a text file' path "$path"
dice=$(printf '%s/%s' "$AGENTOS_JOB_ID" "$AGENTOS_ATTEMPT" | cksum | awk '{ print int($1 / 7) % 100 }')
if [ "$dice" -lt "$share" ] && [ "$AGENTOS_ATTEMPT" -lt "$AGENTOS_MAX_ATTEMPTS" ]; then
    log warn "this agent fails on purpose in $share % of its attempts, and this is one of them" attempt# "$AGENTOS_ATTEMPT"
    case $((dice % 3)) in
        0) fail 'failed on purpose: as if a service had not answered' ;;
        1) fail 'failed on purpose: as if the answer had been cut off' ;;
        *) fail 'failed on purpose: as if a limit of requests had been reached' ;;
    esac
fi
# shellcheck disable=SC2046 # three numbers
set -- $(awk '/\r$/ { crlf++ } /[ \t]+\r?$/ { trailing++ } /\t/ { tabs++ } END { print crlf + 0, trailing + 0, tabs + 0 }' <"$file")
log info 'checked the white space' attempt# "$AGENTOS_ATTEMPT" path "$path"
finish windows_lines# "$1" trailing_space_lines# "$2" tab_lines# "$3" path "$path"
