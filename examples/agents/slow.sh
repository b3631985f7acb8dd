#!/bin/sh
# Reads many files one by one, over and over, and reports which changed in between: a long job that shows its progress.
# It pauses a second after every few files, so as not to take the machine's time.
# Arguments: path, a folder (default all); files, how many to read (default 160); pace, how many a second (default 4).
. "${0%/*}/lib.sh"

use_dir
reads=${AGENTOS_ARG_FILES:-160} pace=${AGENTOS_ARG_PACE:-4}
number files "$reads" 1 10000
number pace "$pace" 1 1000
rm -f "$data"/part.* # what an attempt that was killed left behind: this agent runs one at a time
list=$data/part.$AGENTOS_RUN_ID.list
sums=$data/part.$AGENTOS_RUN_ID.sums
trap 'rm -f "$data"/part.*' EXIT
trap 'exit 1' INT TERM HUP

# Another part of the folder each time: the list begins at a line that depends on the job.
files "$dir" ! -path "*$newline*" -print | sort | awk -v job="$AGENTOS_JOB_ID" -v most="$reads" '
    { line[NR] = $0 }
    END { for (i = 0; i < most && i < NR; i++) print line[(job * most + i) % NR + 1] }' >"$list"
total=$(($(wc -l <"$list")))
[ "$total" -gt 0 ] || fail 'there are no files to read' path "$path"
log info 'reading files one by one' files# "$total" times# "$reads" a_second# "$pace"

: >"$sums"
done=0 round=0
while [ "$done" -lt "$reads" ]; do
    round=$((round + 1))
    while [ "$done" -lt "$reads" ] && IFS= read -r name; do
        done=$((done + 1))
        if sum=$({ cksum <"$name"; } 2>/dev/null); then
            printf '%s %s\n' "$sum" "$name" >>"$sums"
        fi
        [ $((done % pace)) -eq 0 ] || continue
        printf '{"progress":%d.%03d,"level":"debug","msg":"read %d of %d, round %d"}\n' \
            $((done / reads)) $((done * 1000 / reads % 1000)) "$done" "$reads" "$round" >&2
        sleep 1
    done <"$list"
done

# shellcheck disable=SC2016
awk -v round="$round" "$json_awk"'
    {
        name = substr($0, length($1) + length($2) + 3)
        bytes += $2
        if (!(name in sum)) files++
        else if (sum[name] != $1 " " $2) changed[name] = 1
        sum[name] = $1 " " $2
    }
    END {
        for (name in changed) if (++n <= 10) list = list (n > 1 ? "," : "") json(substr(name, 3))
        printf "{\"files\":%d,\"reads\":%d,\"rounds\":%d,\"bytes\":%.0f,\"changed\":%d,\"first_changed\":[%s],\"path\":%s}\n",
            files, NR, round, bytes, n, list, json(ENVIRON["path"])
    }' "$sums"
log info 'read them all' path "$path"
