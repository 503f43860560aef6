# reach PERL PYTHON ARGUMENT...: runs one of two programs that do the same, by what the host has. A shell cannot listen. Debian always has perl;
# distributions with dnf always have a python. Says `without` where there is neither.
perl=$1 python=$2
shift 2
# By the program's own word, not in a look before it: that would cost a second start.
code=0
perl -e "BEGIN { eval { require Socket; require Fcntl; 1 } or exit 97 } $perl" -- "$@" || code=$?
case $code in 97 | 126 | 127) ;; *) exit "$code" ;; esac
for program in python3 /usr/libexec/platform-python; do
  if "$program" -c 'import socket, select' 2>/dev/null; then exec "$program" -c "$python" "$@"; fi
done
printf 'without\n'
