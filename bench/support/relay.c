/*
 * Delays what passes between TCP clients and servers, each way, as a network would.
 *
 *     relay DELAY_US LISTEN_PORT:TARGET_PORT...
 *
 * All on 127.0.0.1; prints a line when it listens, and ends when its standard input does. What comes before the delay of an earlier piece is over has a
 * time of its own: pieces do not wait for one another. To open a connection takes no longer than without it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 4096, PIECE = 1 << 18 };

typedef struct piece {
  struct piece *next;
  int64_t due;
  size_t length, sent; /* a length of 0: the other end has ended */
  char bytes[];
} piece;

/* A listener has a target, an end of a connection has a peer. */
typedef struct {
  int fd, target, peer, ended, full;
  piece *first, *last;
} end;

static end ends[MOST];
static int count;
static int64_t delay;
static char buffer[PIECE];

static int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void die(const char *what) {
  perror(what);
  exit(1);
}

static struct sockaddr_in local(int port) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return at;
}

static int add(int fd, int target, int peer) {
  int at = 0;
  while (at < count && ends[at].fd >= 0) at++;
  if (at == MOST) die("too many connections");
  if (at == count) count++;
  ends[at] = (end){.fd = fd, .target = target, .peer = peer};
  return at;
}

static void listen_on(int port, int target) {
  int fd = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
  struct sockaddr_in at = local(port);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(fd, (void *)&at, sizeof at) || listen(fd, 512)) die("listen");
  add(fd, target, -1);
}

static void accept_on(int listener) {
  int yes = 1, near = accept(ends[listener].fd, NULL, NULL), far = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in at = local(ends[listener].target);
  if (near < 0) return;
  if (connect(far, (void *)&at, sizeof at)) {
    close(near);
    close(far);
    return;
  }
  setsockopt(near, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  setsockopt(far, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  int one = add(near, 0, -1), other = add(far, 0, one);
  ends[one].peer = other;
}

static void close_both(int at) {
  int both[] = {at, ends[at].peer};
  for (int i = 0; i < 2; i++) {
    end *e = &ends[both[i]];
    close(e->fd);
    e->fd = -1;
    while (e->first) {
      piece *gone = e->first;
      e->first = gone->next;
      free(gone);
    }
  }
}

static void receive(int at) {
  ssize_t got = recv(ends[at].fd, buffer, PIECE, MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) {
    got = 0;
    ends[at].ended = 1;
  }
  piece *p = malloc(sizeof *p + got);
  if (!p) die("malloc");
  *p = (piece){.due = now() + delay, .length = got};
  memcpy(p->bytes, buffer, got);
  end *to = &ends[ends[at].peer];
  if (to->first) to->last->next = p;
  else to->first = p;
  to->last = p;
}

static void deliver(int at) {
  end *e = &ends[at];
  while (e->fd >= 0 && e->first && e->first->due <= now()) {
    piece *p = e->first;
    if (p->length == 0) return close_both(at);
    ssize_t sent = send(e->fd, p->bytes + p->sent, p->length - p->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return close_both(at);
    if (sent > 0) p->sent += sent;
    e->full = p->sent < p->length;
    if (e->full) return;
    e->first = p->next;
    free(p);
  }
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  delay = atoll(argv[1]) * 1000;
  prctl(PR_SET_TIMERSLACK, 1); /* else short sleeps are rounded up by 50 µs */
  for (int i = 2; i < argc; i++) {
    int near, far;
    if (sscanf(argv[i], "%d:%d", &near, &far) != 2) return 2;
    listen_on(near, far);
  }
  puts("listening");
  fflush(stdout);
  for (;;) {
    static struct pollfd asked[MOST + 1];
    static int whose[MOST + 1];
    int64_t due = INT64_MAX;
    int n = 0, known = count;
    asked[n++] = (struct pollfd){.fd = 0, .events = POLLIN};
    for (int i = 0; i < known; i++) {
      end *e = &ends[i];
      if (e->fd < 0) continue;
      if (e->first && !e->full && e->first->due < due) due = e->first->due;
      whose[n] = i;
      asked[n++] = (struct pollfd){.fd = e->fd, .events = (e->ended ? 0 : POLLIN) | (e->full ? POLLOUT : 0)};
    }
    int64_t left = due == INT64_MAX ? 1000000000 : due - now();
    if (left < 0) left = 0;
    struct timespec patience = {left / 1000000000, left % 1000000000};
    if (ppoll(asked, n, &patience, NULL) < 0 && errno != EINTR) die("poll");
    if (asked[0].revents) return 0;
    for (int i = 1; i < n; i++) {
      end *e = &ends[whose[i]];
      if (e->fd != asked[i].fd || !asked[i].revents) continue;
      if (asked[i].revents & POLLOUT) e->full = 0;
      if (!(asked[i].revents & (POLLIN | POLLHUP | POLLERR)) || e->ended) continue;
      if (e->target) accept_on(whose[i]);
      else receive(whose[i]);
    }
    for (int i = 0; i < count; i++)
      if (ends[i].fd >= 0 && !ends[i].full) deliver(i);
  }
}
