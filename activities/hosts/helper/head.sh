#!/bin/sh
# redisforge-host: the one program that changes a host for RedisForge. `redisforge-host help` explains every verb.
#
# How it keeps its promises:
# - check and effect are one command under one lock: a caller whose token is older than the record is refused before anything happens;
# - every effect is looked for first, so that asking again changes nothing, and is written to the journal in the same command;
# - a file appears whole or not at all: written beside, synced, renamed.
#
# POSIX sh with the tools in $TOOLS. Values are passed between functions in named variables: a command substitution costs a process, and
# an operation waits for this program hundreds of times.
#
# shellcheck disable=SC3045 # ulimit -n and -H: every sh of Linux has them
set -eu
umask 077
# Messages of tools are read by the caller.
unset LC_ALL LANGUAGE
export LC_MESSAGES=C

TAB=$(printf '\t')
TOOLS='flock sha256sum base64 setsid sync mktemp mv rm mkdir chmod stat date awk df ls tail sleep uname grep tr readlink id chown'

# Exit codes besides 0 (done) and 1 (failed); activities/hosts/refusals.ts knows the same numbers.
USAGE=2
FENCED=10
LOCKED=11
FOREIGN=12
BUSY=13
WONT_START=14
PORT_TAKEN=15
TOO_SLOW=16
NOT_NOW=17
BAD_INSTRUCTIONS=18
GUARDED=19
BAD_ENGINE=30
BAD_PACKAGE=31

# How large the list of refusals may grow before its older half goes.
MOST_REFUSAL_BYTES=65536
# How long a job may take to end after SIGTERM when its operation has ended.
JOB_GRACE_MS=3000

help() {
  cat <<'HELP'
usage: redisforge-host [--root DIR] [TOKEN] VERB ...

  --root DIR   the folder that everything lives under; by default the one that this program was installed in
  TOKEN        who acts; verbs marked * change the host and need one:
                 --generation G --step S --attempt N [--run R]
                                                       an operation (refused where its generation or attempt is not the newest, or
                                                       where another run holds the lease)
                 --by-hand NAME                        a person; allowed only while no operation holds the host, or with --force

Looking
  show                         the record of this host and its nodes
  survey server=PROGRAM address=IP nofile=N unit=NAME [profile=off|report|apply] [tool=NAME ...]
         [package=MANAGER:NAME] [PORT ...]
                               the same, with an exam of the machine before it, its settings where they are wanted, and of the tools
                               that it lacks (`curl|wget`: one of them is enough)
  node status PORT             absent, running PID, stopped, or exited CODE TIME
  node log PORT [LINES]        the end of a node's log
  node guard PORT              whether it may start by itself; it may not where it was a member and its data is not there
  job status NAME              its state and the end of its output
  journal [LINES]              what was changed here: time, generation, step, attempt, effect, detail
  leftovers                    the record, jobs, files that were being written, node folders, and how large the journal is
  refusals [LINES]             who came too late: time, generation, step, attempt, why
  help                         this text

Changing
  lease take KEY=VALUE ...     claim this host for a cluster and an operation (keys: cluster uid generation server workflow run
                               operation actor since sha256, break=RUN to take over the unreleased lease of that run, and seen=G:
                               refused where the record was wiped since it had that generation). Ends the jobs of operations before
* lease confirm                refused as every verb is where the token is old; changes nothing else (for what is done over Redis)
* lease release [RUN]          give the host free for the next operation, and end the jobs of this one; with RUN only its lease
* identities PORT=ID ...       note which Redis ID each node has
* identities forget PORT=ID ...
                               note that these nodes leave the cluster: one that was reset since may start, and be another one
* ensure                       folders and files from instructions on stdin, one a line, ended by a line `end`:
                                 folder MODE PATH
                                 file MODE SHA256 PATH BASE64         (PATH is below the root)
                                 link nodes/PORT/current ../../engines/NAME
                                 account NAME                         (a system account for nodes to run as)
                                 unit SHA256 NAME BASE64              (systemd; NAME is redisforge-CLUSTER@.service)
                               MODE is as for chmod, or MODE:OWNER:ACCOUNT, which takes that account's group
* profile KEY=VALUE ...        keep these settings of the operating system for the next boot, set them now, read them back;
                               in a container only those that are its own, on a host of a lab none
* node start PORT ADDRESS NOFILE WAIT_MS [accept-empty]
                               start it where it does not run, wait until it listens on its port and its bus port;
                               with accept-empty also where the guard would not let it start by itself
* node accept-empty PORT       the same by hand, with what its files say; only where nobody needs what it had
* node stop PORT WAIT_MS       SIGTERM, then wait; never SIGKILL
* node remove PORT keep|delete take a stopped node away; `keep` leaves its data and log folders
* host release keep|delete     take RedisForge off this host; `keep` leaves the record (and data that was kept)
* engine receive NAME SHA256   stdin becomes the archive of an engine, unless it is there
* engine build NAME SHA256 PROGRAM VERSION_WORDS [URL]
                               unpack that archive (fetched from URL, where there is one) to engines/NAME; refused, with nothing left,
                               where its digest is another, it leads out of its folder, or its PROGRAM does not say VERSION_WORDS
* package repository apt|dnf ID KEY_SHA256 URL [SUITE COMPONENT ...]
                               a repository of the host's package manager; stdin is the key that has to have signed it
* package install apt|dnf NAME VERSION PROGRAM VERSION_WORDS [ID]
                               install exactly this version and hold it; its own service is not started. PROGRAM has to say VERSION_WORDS
* job start NAME -- COMMAND [ARGUMENT ...]
                               run it detached, once in an operation: a job of it that runs or has ended is not started again
* job stop NAME WAIT_MS        SIGTERM, then wait
* sweep SECONDS                where no operation holds the host: end jobs that operations left and forget them, take away files that were being
                               written and are older than this; a person's jobs stay
* job clean NAME               forget an ended job and its output
  newer SHA256 VERB ...        run VERB by the helper that comes on stdin, where it has this digest

Of no use by hand: node run PORT is what a systemd unit starts, supervise what starts a process. --within SECONDS as the very first words
ends the command by SIGKILL after that time.

Exit codes
  0 done   1 failed   2 bad usage   10 fenced: the token is old   11 another operation holds the host
  12 the host belongs to another cluster   13 the lock was busy for too long   14 the node ended while starting
  15 a port is taken   16 not within the time given   17 not in this state   18 the instructions were damaged on the way
  19 the node may not start by itself: its data is not there
  30 the engine was refused   31 the package was refused
HELP
}
