/* smtpsink: cheap counting SMTP sink (epoll, one thread), for what Postfix's smtp-sink cannot do:
 * STARTTLS, recipient counts, and lost/duplicate detection by the X-Seq header of smtpload.
 *   smtpsink -p PORT -o COUNTERS [-c CERT.pem -k KEY.pem] [-P]       -P: do not offer PIPELINING
 * COUNTERS is a file of 8 little-endian u64, updated in place (mmap):
 *   sessions, tlsSessions, messages, recipients, bytes, uniqueSeq, duplicateSeq, tlsHandshakeFailures */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct {
  int fd, st, ll, hl, tl, ol, wantout, starttls, quit;
  SSL *ssl;
  char line[2048], head[4096], tail[4], out[65536];
} S;
enum { CMD, BODY, HANDSHAKE };
static volatile uint64_t *k;
static unsigned char *seen;
static SSL_CTX *ctx;
static int ep, pipelining = 1;
#define MAXSEQ 10000000

static void drop(S *s) {
  if (s->ssl) SSL_free(s->ssl);
  close(s->fd);
  free(s);
}
static void arm(S *s, int out) {
  if (out != s->wantout) {
    s->wantout = out;
    struct epoll_event e = {.events = EPOLLIN | (out ? EPOLLOUT : 0), .data.ptr = s};
    epoll_ctl(ep, EPOLL_CTL_MOD, s->fd, &e);
  }
}
static void put(S *s, const char *t) {
  int n = strlen(t);
  if (s->ol + n <= (int)sizeof s->out) {
    memcpy(s->out + s->ol, t, n);
    s->ol += n;
  }
}
static int flush(S *s) {
  while (s->ol) {
    int r = s->ssl ? SSL_write(s->ssl, s->out, s->ol) : (int)send(s->fd, s->out, s->ol, MSG_NOSIGNAL);
    if (r <= 0) {
      if (s->ssl ? SSL_get_error(s->ssl, r) == SSL_ERROR_WANT_WRITE : errno == EAGAIN) {
        arm(s, 1);
        return 0;
      }
      return -1;
    }
    memmove(s->out, s->out + r, s->ol - r);
    s->ol -= r;
  }
  arm(s, 0);
  return s->quit ? -1 : 0;
}
static void endmsg(S *s) {
  k[2]++;
  put(s, "250 2.0.0 Ok\r\n");
  s->st = CMD;
  s->ll = 0;
  char *x = memmem(s->head, s->hl, "X-Seq: ", 7);
  if (x) {
    long q = 0;
    for (x += 7; x < s->head + s->hl && *x >= '0' && *x <= '9'; x++) q = q * 10 + *x - '0';
    if (q < MAXSEQ) {
      if (seen[q]) k[6]++;
      else {
        seen[q] = 1;
        k[5]++;
      }
    }
  }
}
static void line(S *s) {
  char *l = s->line;
  if (!strncasecmp(l, "EHLO", 4)) {
    put(s, "250-sink.test\r\n");
    if (pipelining) put(s, "250-PIPELINING\r\n");
    if (ctx && !s->ssl) put(s, "250-STARTTLS\r\n");
    put(s, "250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n");
  } else if (!strncasecmp(l, "HELO", 4) || !strncasecmp(l, "MAIL", 4) || !strncasecmp(l, "RSET", 4) ||
             !strncasecmp(l, "NOOP", 4))
    put(s, "250 2.0.0 Ok\r\n");
  else if (!strncasecmp(l, "RCPT", 4)) {
    k[3]++;
    put(s, "250 2.1.5 Ok\r\n");
  } else if (!strncasecmp(l, "DATA", 4)) {
    put(s, "354 End data with <CR><LF>.<CR><LF>\r\n");
    s->st = BODY;
    s->hl = 0;
    memcpy(s->tail, "\0\0\r\n", 4);
    s->tl = 4;
  } else if (!strncasecmp(l, "STARTTLS", 8) && ctx && !s->ssl) {
    put(s, "220 2.0.0 Ready\r\n");
    s->starttls = 1;
  } else if (!strncasecmp(l, "QUIT", 4)) {
    put(s, "221 2.0.0 Bye\r\n");
    s->quit = 1;
  } else put(s, "500 5.5.1 What?\r\n");
}
static void feed(S *s, char *b, int n) {
  while (n > 0) {
    if (s->st == BODY) {
      if (s->hl < (int)sizeof s->head) {
        int m = (int)sizeof s->head - s->hl;
        if (m > n) m = n;
        memcpy(s->head + s->hl, b, m);
        s->hl += m;
      }
      char j[9];
      int m = n < 4 ? n : 4, used = -1;
      memcpy(j, s->tail, 4);
      memcpy(j + 4, b, m);
      char *p = memmem(j, 4 + m, "\r\n.\r\n", 5);
      if (p) used = (int)(p - j) + 5 - 4;
      else if ((p = memmem(b, n, "\r\n.\r\n", 5))) used = (int)(p - b) + 5;
      if (used < 0) {
        if (n >= 4) memcpy(s->tail, b + n - 4, 4);
        else {
          memmove(s->tail, s->tail + n, 4 - n);
          memcpy(s->tail + 4 - n, b, n);
        }
        k[4] += n;
        return;
      }
      k[4] += used;
      b += used;
      n -= used;
      endmsg(s);
    } else {
      char *e = memchr(b, '\n', n);
      int m = e ? (int)(e - b) + 1 : n, c = m;
      if (c > (int)sizeof s->line - 1 - s->ll) c = (int)sizeof s->line - 1 - s->ll;
      memcpy(s->line + s->ll, b, c);
      s->ll += c;
      b += m;
      n -= m;
      if (e) {
        s->line[s->ll] = 0;
        s->ll = 0;
        line(s);
        if (s->starttls == 1) return;
      }
    }
  }
}
static int shake(S *s) {
  int r = SSL_accept(s->ssl);
  if (r == 1) {
    s->st = CMD;
    k[1]++;
    arm(s, 0);
    return 1;
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
  k[7]++;
  return -1;
}
int main(int c, char **v) {
  int o, port = 2525;
  const char *out = 0, *cert = 0, *key = 0;
  while ((o = getopt(c, v, "p:o:c:k:P")) != -1) switch (o) {
    case 'p': port = atoi(optarg); break;
    case 'o': out = optarg; break;
    case 'c': cert = optarg; break;
    case 'k': key = optarg; break;
    case 'P': pipelining = 0; break;
    default: return 2;
    }
  struct rlimit rl;
  getrlimit(RLIMIT_NOFILE, &rl);
  rl.rlim_cur = rl.rlim_max;
  setrlimit(RLIMIT_NOFILE, &rl);
  signal(SIGPIPE, SIG_IGN);
  int kf = open(out, O_RDWR | O_CREAT | O_TRUNC, 0644);
  if (kf < 0 || ftruncate(kf, 64)) {
    perror(out);
    return 1;
  }
  k = mmap(0, 64, PROT_READ | PROT_WRITE, MAP_SHARED, kf, 0);
  seen = calloc(MAXSEQ, 1);
  if (cert) {
    ctx = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1 ||
        SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1) {
      fprintf(stderr, "cert\n");
      return 1;
    }
    SSL_CTX_set_session_id_context(ctx, (unsigned char *)"sink", 4);
  }
  int l = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
  setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  setsockopt(l, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (bind(l, (void *)&a, sizeof a) || listen(l, 4096)) {
    perror("listen");
    return 1;
  }
  ep = epoll_create1(0);
  struct epoll_event e = {.events = EPOLLIN, .data.ptr = 0}, ev[256];
  epoll_ctl(ep, EPOLL_CTL_ADD, l, &e);
  static char b[262144];
  for (;;) {
    int n = epoll_wait(ep, ev, 256, -1);
    for (int i = 0; i < n; i++) {
      S *s = ev[i].data.ptr;
      if (!s) {
        int f;
        while ((f = accept4(l, 0, 0, SOCK_NONBLOCK)) >= 0) {
          s = malloc(sizeof *s);
          memset(s, 0, offsetof(S, line));
          s->fd = f;
          k[0]++;
          e.events = EPOLLIN;
          e.data.ptr = s;
          epoll_ctl(ep, EPOLL_CTL_ADD, f, &e);
          put(s, "220 sink.test ESMTP\r\n");
          if (flush(s) < 0) drop(s);
        }
        continue;
      }
      if (s->st == HANDSHAKE) {
        int r = shake(s);
        if (r < 0) {
          drop(s);
          continue;
        }
        if (r == 0) continue;
      } else if (s->wantout && flush(s) < 0) {
        drop(s);
        continue;
      }
      int dead = 0;
      for (;;) {
        int r = s->ssl ? SSL_read(s->ssl, b, sizeof b) : (int)read(s->fd, b, sizeof b);
        if (r <= 0) {
          dead = s->ssl ? SSL_get_error(s->ssl, r) != SSL_ERROR_WANT_READ : !(r < 0 && errno == EAGAIN);
          break;
        }
        feed(s, b, r);
        if (flush(s) < 0) {
          dead = 1;
          break;
        }
        if (s->starttls == 1) {
          s->starttls = 2;
          s->ssl = SSL_new(ctx);
          SSL_set_fd(s->ssl, s->fd);
          s->st = HANDSHAKE;
          int h = shake(s);
          if (h < 0) dead = 1;
          if (h <= 0) break;
        }
        if (!s->ssl && r < (int)sizeof b) break;
      }
      if (dead) drop(s);
    }
  }
}
