/* smtpload: cheap SMTP load generator (epoll, one thread), for what Postfix's smtp-source cannot do:
 * STARTTLS, accept latency percentiles, unique sequence numbers, many idle connections.
 *   smtpload -p PORT -s SESSIONS -m COUNT -l BYTES [-r RCPTS] [-d] [-T] [-R] [-x SECONDS] [-f FROM] [-t TO]
 *   smtpload -p PORT -i CONNECTIONS     hold idle connections (after EHLO) until stdin is closed
 * -d keep the session for the next message; -T STARTTLS; -R resume TLS sessions; -x stop after SECONDS.
 * Prints one JSON line. A message is "accepted" when 250 is read after the final dot. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BANNER, EHLO, STARTTLS, HANDSHAKE, EHLO2, MAIL, RCPT, DATA, DOT, QUIT, IDLE };
typedef struct {
  int fd, st, n, ll, hl, wantout;
  SSL *ssl;
  char line[2048], head[1024];
  const char *o[3];
  size_t on[3];
  double t0, tdot;
} S;

static int port = 25, sessions = 20, count = 1000, len = 5120, rcpts = 1, reuse, tls, resume, idle;
static double maxs;
static const char *from = "sender@src.test", *to = "user@dst.test";
static int ep, started, accepted, rejected, failed, live, held;
static double *lat, *latdot;
static char *body;
static size_t bodylen;
static SSL_CTX *ctx;
static SSL_SESSION *sess;
static double tstart;
static int seq;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}
static int cmp(const void *a, const void *b) {
  double x = *(double *)a, y = *(double *)b;
  return x < y ? -1 : x > y;
}
static int more(void) {
  if (started >= count || (maxs && now() - tstart > maxs)) return 0;
  started++;
  return 1;
} /* reserves one message */
static void conn(S *s);

static void done(S *s, int ok) {
  if (s->ssl) {
    if (ok) SSL_shutdown(s->ssl);
    SSL_free(s->ssl);
    s->ssl = 0;
  }
  close(s->fd);
  live--;
  if (!ok) {
    failed++;
    if (s->st == IDLE) held--;
    if (idle || failed > 5 * sessions) return;
  }
  if (!idle && more()) conn(s);
}
static int rd(S *s, char *b, int n) { /* >0 bytes, 0 try later, -1 closed */
  int r = s->ssl ? SSL_read(s->ssl, b, n) : (int)read(s->fd, b, n);
  if (r > 0) return r;
  if (s->ssl) {
    int e = SSL_get_error(s->ssl, r);
    return e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE ? 0 : -1;
  }
  return r < 0 && errno == EAGAIN ? 0 : -1;
}
static void arm(S *s, int out) {
  if (out != s->wantout) {
    s->wantout = out;
    struct epoll_event e = {.events = EPOLLIN | (out ? EPOLLOUT : 0), .data.ptr = s};
    epoll_ctl(ep, EPOLL_CTL_MOD, s->fd, &e);
  }
}
static int flush(S *s) {
  for (int i = 0; i < 3; i++)
    while (s->on[i]) {
      int r = s->ssl ? SSL_write(s->ssl, s->o[i], s->on[i])
                     : (int)send(s->fd, s->o[i], s->on[i], MSG_NOSIGNAL | (i == 0 && s->on[1] ? MSG_MORE : 0));
      if (r <= 0) {
        if (s->ssl
                ? (SSL_get_error(s->ssl, r) == SSL_ERROR_WANT_WRITE || SSL_get_error(s->ssl, r) == SSL_ERROR_WANT_READ)
                : errno == EAGAIN) {
          arm(s, 1);
          return 0;
        }
        return -1;
      }
      s->o[i] += r;
      s->on[i] -= r;
    }
  arm(s, 0);
  return 1;
}
static int cmd(S *s, int st, const char *fmt, ...) {
  va_list a;
  va_start(a, fmt);
  int n = vsnprintf(s->head, sizeof s->head, fmt, a);
  va_end(a);
  s->st = st;
  s->o[0] = s->head;
  s->on[0] = n;
  return flush(s);
}
static int mail(S *s) {
  s->t0 = now();
  s->n = 0;
  return cmd(s, MAIL, "MAIL FROM:<%s>\r\n", from);
}
static int shake(S *s) {
  int r = SSL_do_handshake(s->ssl);
  if (r == 1) {
    if (resume && !sess && !tls) sess = SSL_get1_session(s->ssl);
    return cmd(s, EHLO2, "EHLO load.src.test\r\n");
  }
  int e = SSL_get_error(s->ssl, r);
  if (e == SSL_ERROR_WANT_READ) {
    arm(s, 0);
    return 0;
  }
  if (e == SSL_ERROR_WANT_WRITE) {
    arm(s, 1);
    return 0;
  }
  return -1;
}
static int newsess(SSL *x, SSL_SESSION *n) {
  (void)x;
  if (sess) SSL_SESSION_free(sess);
  sess = n;
  return 1;
}
static int reply(S *s, int code) {
  char b[64];
  switch (s->st) {
  case BANNER: return code != 220 ? -1 : cmd(s, EHLO, "EHLO load.src.test\r\n");
  case EHLO:
    if (code != 250) return -1;
    if (idle) {
      s->st = IDLE;
      held++;
      return 0;
    }
    return tls ? cmd(s, STARTTLS, "STARTTLS\r\n") : mail(s);
  case STARTTLS:
    if (code != 220) return -1;
    s->ssl = SSL_new(ctx);
    SSL_set_fd(s->ssl, s->fd);
    SSL_set_connect_state(s->ssl);
    if (resume && sess) SSL_set_session(s->ssl, sess);
    s->st = HANDSHAKE;
    return shake(s);
  case EHLO2: return code != 250 ? -1 : mail(s);
  case MAIL:
  case RCPT:
    if (code / 100 != 2) {
      rejected++;
      fprintf(stderr, "rejected at %s: %s\n", s->st == MAIL ? "MAIL" : "RCPT", s->line);
      return cmd(s, QUIT, "QUIT\r\n");
    }
    if (s->n < rcpts) {
      if (rcpts > 1) snprintf(b, sizeof b, "%d", s->n);
      else b[0] = 0;
      s->n++;
      return cmd(s, RCPT, "RCPT TO:<%s%s>\r\n", b, to);
    }
    return cmd(s, DATA, "DATA\r\n");
  case DATA:
    if (code != 354) {
      rejected++;
      return cmd(s, QUIT, "QUIT\r\n");
    }
    s->st = DOT;
    s->o[0] = s->head;
    s->on[0] = snprintf(s->head, sizeof s->head,
                        "From: <%s>\r\nTo: <%s>\r\nSubject: bench %d\r\nX-Seq: %d\r\nDate: Mon, 1 Jan 2024 00:00:00 "
                        "+0000\r\nMessage-Id: <%d.%d@src.test>\r\n\r\n",
                        from, to, seq, seq, seq, (int)getpid());
    seq++;
    s->o[1] = body;
    s->on[1] = bodylen;
    s->o[2] = ".\r\n";
    s->on[2] = 3;
    s->tdot = now();
    return flush(s);
  case DOT: {
    double t = now();
    if (code != 250) {
      rejected++;
      fprintf(stderr, "rejected at end of data: %s\n", s->line);
    } else {
      lat[accepted] = t - s->t0;
      latdot[accepted++] = t - s->tdot;
    }
    return reuse && more() ? mail(s) : cmd(s, QUIT, "QUIT\r\n");
  }
  case QUIT: return 2;
  default: return code == 421 ? -1 : 0;
  }
}
static void event(S *s, int ev) {
  if (s->st == HANDSHAKE) {
    if (shake(s) < 0) done(s, 0);
    return;
  }
  if ((ev & EPOLLOUT) && s->wantout && flush(s) < 0) {
    done(s, 0);
    return;
  }
  char b[8192];
  int r;
  while ((r = rd(s, b, sizeof b)) > 0) {
    for (int i = 0; i < r; i++) {
      if (b[i] != '\n') {
        if (s->ll < (int)sizeof s->line - 1) s->line[s->ll++] = b[i];
        continue;
      }
      s->line[s->ll] = 0;
      int full = s->ll >= 3 && s->line[3] != '-';
      s->ll = 0;
      if (!full) continue;
      int k = reply(s, atoi(s->line));
      if (k == 2) {
        done(s, 1);
        return;
      }
      if (k < 0) {
        fprintf(stderr, "failed in state %d: %s\n", s->st, s->line);
        done(s, 0);
        return;
      }
      if (s->st == HANDSHAKE) return;
    }
    if (r < (int)sizeof b && !s->ssl) return;
  }
  if (r < 0) {
    if (s->st == QUIT) done(s, 1);
    else {
      fprintf(stderr, "closed in state %d\n", s->st);
      done(s, 0);
    }
  }
}
static void conn(S *s) {
  memset(s, 0, sizeof *s);
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int one = 1;
  setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (s->fd < 0 || connect(s->fd, (void *)&a, sizeof a) < 0) {
    failed++;
    if (s->fd >= 0) close(s->fd);
    return;
  }
  fcntl(s->fd, F_SETFL, O_NONBLOCK);
  live++;
  struct epoll_event e = {.events = EPOLLIN, .data.ptr = s};
  epoll_ctl(ep, EPOLL_CTL_ADD, s->fd, &e);
}
int main(int c, char **v) {
  int o;
  while ((o = getopt(c, v, "p:s:m:l:r:i:x:f:t:dTR")) != -1) switch (o) {
    case 'p': port = atoi(optarg); break;
    case 's': sessions = atoi(optarg); break;
    case 'm': count = atoi(optarg); break;
    case 'l': len = atoi(optarg); break;
    case 'r': rcpts = atoi(optarg); break;
    case 'i': idle = atoi(optarg); break;
    case 'x': maxs = atof(optarg); break;
    case 'f': from = optarg; break;
    case 't': to = optarg; break;
    case 'd': reuse = 1; break;
    case 'T': tls = 1; break;
    case 'R': resume = 1; break;
    default: return 2;
    }
  struct rlimit rl = {1048576, 1048576};
  if (setrlimit(RLIMIT_NOFILE, &rl)) {
    getrlimit(RLIMIT_NOFILE, &rl);
    rl.rlim_cur = rl.rlim_max;
    setrlimit(RLIMIT_NOFILE, &rl);
  }
  signal(SIGPIPE, SIG_IGN);
  if (tls) {
    ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (resume) {
      SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
      SSL_CTX_sess_set_new_cb(ctx, newsess);
    }
  }
  body = malloc(len + 100);
  while ((int)bodylen < len) {
    for (int i = 0; i < 76; i++) {
      body[bodylen] = 'a' + bodylen % 26;
      bodylen++;
    }
    body[bodylen++] = '\r';
    body[bodylen++] = '\n';
  }
  lat = calloc(count + 1, sizeof *lat);
  latdot = calloc(count + 1, sizeof *lat);
  ep = epoll_create1(0);
  int n = idle ? idle : sessions;
  S *ss = calloc(n, sizeof *ss);
  tstart = now();
  struct epoll_event ev[256];
  if (idle) {
    double last = now();
    int opened = 0, announced = 0;
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = 0};
    epoll_ctl(ep, EPOLL_CTL_ADD, 0, &e);
    for (;;) {
      for (int k = 0; k < 20 && opened < idle; k++) conn(&ss[opened++]); /* 20 new connections per wake-up */
      int k = epoll_wait(ep, ev, 256, opened < idle ? 5 : 500);
      for (int i = 0; i < k; i++) {
        if (!ev[i].data.ptr) {
          char b[16];
          if (read(0, b, 16) <= 0) {
            printf("{\"heldAtEnd\":%d,\"failed\":%d}\n", held, failed);
            return 0;
          }
        } else {
          event(ev[i].data.ptr, ev[i].events);
          last = now();
        }
      }
      if (!announced && opened == idle && (held + failed >= idle || now() - last > 5)) {
        announced = 1;
        printf("{\"asked\":%d,\"held\":%d,\"failed\":%d,\"seconds\":%.2f}\n", idle, held, failed, last - tstart);
        fflush(stdout);
      }
    }
  }
  if (n > count) n = count;
  for (int i = 0; i < n && more(); i++) conn(&ss[i]);
  double hang = now();
  while (live > 0) {
    int k = epoll_wait(ep, ev, 256, 1000);
    for (int i = 0; i < k; i++) event(ev[i].data.ptr, ev[i].events);
    if (k) hang = now();
    else if (now() - hang > 60) {
      fprintf(stderr, "no progress for 60 s\n");
      break;
    }
  }
  double t = now() - tstart;
  int m = accepted ? accepted : 1;
  qsort(lat, accepted, sizeof *lat, cmp);
  qsort(latdot, accepted, sizeof *lat, cmp);
  printf("{\"accepted\":%d,\"rejected\":%d,\"failed\":%d,\"seconds\":%.3f,\"perSecond\":%.1f,\"p50ms\":%.2f,\"p99ms\":%"
         ".2f,\"dotP50ms\":%.2f,\"dotP99ms\":%.2f}\n",
         accepted, rejected, failed, t, accepted / t, lat[m / 2] * 1e3, lat[m * 99 / 100] * 1e3, latdot[m / 2] * 1e3,
         latdot[m * 99 / 100] * 1e3);
  return accepted == count || maxs ? 0 : 1;
}
