# Listens on ports that nobody uses yet, and tries those of other hosts, all at once in one process. Arguments: SECONDS after which it ends in any
# case, PATIENCE_MS for one try, the WORD that its listeners say, then ADDRESS PORT of each listener. It ends with its stdin.
# On stdin: `INDEX ADDRESS PORT WORD` for each try (WORD is - where a running node listens, which says nothing), then `go`.
# On stdout, fields between tabs: `listening PORT` or `deaf PORT WHY` for each listener, `ready`, `tried INDEX OUTCOME DETAIL` for each try, `end`.
# reach.py does the same.
use strict;
use Socket;
use Fcntl;
use Errno qw(EINPROGRESS EAGAIN EINTR ECONNREFUSED);

my ($seconds, $patience, $word, @listeners) = @ARGV;
my $most_at_once = 200;
# By this name the host helper knows whose the listeners are.
$0 = 'redisforge-exam';
$| = 1;
$SIG{PIPE} = 'IGNORE';
alarm $seconds;

# Milliseconds of a clock that nobody can set; Debian's perl-base has no Time::HiRes.
sub now {
    open my $clock, '<', '/proc/uptime' or return time * 1000;
    return int((split ' ', <$clock>)[0] * 1000);
}

sub place_of {
    my ($address, $port) = @_;
    return (AF_INET6, pack_sockaddr_in6($port, Socket::inet_pton(AF_INET6, $address))) if $address =~ /:/;
    return (AF_INET, pack_sockaddr_in($port, inet_aton($address)));
}

sub quiet {
    my ($socket) = @_;
    fcntl $socket, F_SETFL, fcntl($socket, F_GETFL, 0) | O_NONBLOCK;
}

sub clean {
    my ($text) = @_;
    $text =~ s/[^\x20-\x7e]+/ /g;
    return substr $text, 0, 120;
}

my %listening;
while (my ($address, $port) = splice @listeners, 0, 2) {
    my ($family, $place) = place_of($address, $port);
    my $socket;
    # Another exam of the same cluster may be listening there too, and says the same word.
    if (   socket($socket, $family, SOCK_STREAM, 0)
        && setsockopt($socket, SOL_SOCKET, SO_REUSEADDR, 1)
        && setsockopt($socket, SOL_SOCKET, SO_REUSEPORT, 1)
        && bind($socket, $place)
        && listen($socket, 512))
    {
        quiet($socket);
        $listening{ fileno $socket } = $socket;
        print "listening\t$port\n";
    }
    else { print "deaf\t$port\t$!\n" }
}
print "ready\n";

my (%open, @waiting, $begun, $ended);
my $asked = '';

sub report {
    my ($try, $outcome, $detail) = @_;
    delete $open{ fileno $try->{socket} } if $try->{socket};
    close $try->{socket} if $try->{socket};
    print "tried\t$try->{index}\t$outcome\t" . clean($detail) . "\n";
}

# A listener that just ended may still have taken the connection: it is asked once more.
sub again {
    my ($try, $outcome, $detail) = @_;
    if ($try->{tries}++ > 0) { report($try, $outcome, $detail); return }
    delete $open{ fileno $try->{socket} };
    close $try->{socket};
    begin($try);
}

sub begin {
    my ($try) = @_;
    my ($family, $place) = place_of($try->{address}, $try->{port});
    my $socket;
    if (!socket($socket, $family, SOCK_STREAM, 0)) {
        undef $try->{socket};
        return report($try, 'failed', "$!");
    }
    quiet($socket);
    @$try{qw(socket until said connected)} = ($socket, now() + $patience, '', 0);
    $open{ fileno $socket } = $try;
    return if connect($socket, $place) || $! == EINPROGRESS;
    failed($try, $!);
}

sub failed {
    my ($try, $error) = @_;
    local $! = $error;
    report($try, $! == ECONNREFUSED ? 'refused' : 'failed', "$!");
}

sub connected {
    my ($try) = @_;
    my $error = unpack 'i', getsockopt($try->{socket}, SOL_SOCKET, SO_ERROR);
    return failed($try, $error) if $error;
    return report($try, 'open', '') if $try->{word} eq '-';
    $try->{connected} = 1;
}

sub heard {
    my ($try) = @_;
    my $count = sysread $try->{socket}, my $chunk, 256;
    return if !defined $count && ($! == EAGAIN || $! == EINTR);
    return again($try, 'stranger', $try->{said} eq '' ? 'hung up without a word' : "said: $try->{said}") if !$count;
    $try->{said} .= $chunk;
    return report($try, 'open', '') if $try->{said} eq "$try->{word}\n";
    return if length $try->{said} < 256 && index("$try->{word}\n", $try->{said}) == 0;
    report($try, 'stranger', "said: $try->{said}");
}

sub read_orders {
    my $count = sysread STDIN, my $chunk, 65536;
    exit 0 if defined $count && $count == 0;
    return if !defined $count;
    $asked .= $chunk;
    while ($asked =~ s/^(.*)\n//) {
        if ($1 eq 'go') { $begun = 1; next }
        my %try;
        @try{qw(index address port word)} = split ' ', $1, 4;
        push @waiting, \%try;
    }
}

while (1) {
    my ($read, $write) = ('', '');
    vec($read, 0, 1) = 1;
    vec($read, $_, 1) = 1 for keys %listening;
    for my $try (values %open) {
        if   ($try->{connected}) { vec($read,  fileno $try->{socket}, 1) = 1 }
        else                     { vec($write, fileno $try->{socket}, 1) = 1 }
    }
    my $found = select $read, $write, undef, %open ? 0.05 : undef;
    if ($found > 0) {
        for my $number (grep { vec $read, $_, 1 } keys %listening) {
            while (accept my $caller, $listening{$number}) { syswrite $caller, "$word\n"; close $caller }
        }
        for my $number (keys %open) {
            my $try = $open{$number} or next;
            if    (vec $write, $number, 1) { connected($try) }
            elsif (vec $read,  $number, 1) { heard($try) }
        }
        read_orders() if vec $read, 0, 1;
    }
    my $now = now();
    for my $try (grep { $_->{until} < $now } values %open) {
        if ($try->{connected}) { report($try, 'stranger', 'took the connection and said nothing') }
        else                   { report($try, 'silent', '') }
    }
    begin(shift @waiting) while $begun && @waiting && keys %open < $most_at_once;
    if ($begun && !@waiting && !%open && !$ended) { $ended = print "end\n" }
}
