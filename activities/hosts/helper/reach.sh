# reach PERL PYTHON ARGUMENT...: runs one of two programs that do the same, by what the host has. A shell cannot listen. Debian always has perl;
# distributions with dnf always have a python. Says `without` where there is neither.
perl=$1 python=$2
shift 2
if perl -MSocket -MFcntl -e 0 2>/dev/null; then
  exec perl -e "$perl" -- "$@"
fi
for program in python3 /usr/libexec/platform-python; do
  if "$program" -c 'import socket, select' 2>/dev/null; then exec "$program" -c "$python" "$@"; fi
done
printf 'without\n'
