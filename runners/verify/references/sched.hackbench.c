/* a message of 100 bytes from each of 20 processes to each of 20 others, over a pipe a receiver, on all
 * CPUs; agrees within 10 % at transport=pipe, peer=process, groups=1 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include "reference.h"

enum { SIDE = 20, BYTES = 100 };

static struct {
    atomic_long waited_for;   /* receivers that lack messages */
    long rounds;
} *shared;
static int start[SIDE][2], inbox[SIDE][2], finished[2];

static void all_of(ssize_t moved, const char *what)
{
    if (moved <= 0)
        die(what);
}

static void send_rounds(int self)
{
    char message[BYTES] = "", token;
    for (;;) {
        all_of(read(start[self][0], &token, 1), "start");
        for (long round = 0; round < shared->rounds; round++)
            for (int to = 0; to < SIDE; to++)
                if (write(inbox[to][1], message, BYTES) != BYTES)   /* a pipe takes so few as a whole */
                    die("send");
    }
}

static void receive_rounds(int self)
{
    char message[BYTES];
    for (long got = 0;;) {
        const ssize_t bytes = read(inbox[self][0], message, BYTES);
        all_of(bytes, "receive");
        got += bytes;
        if (got == shared->rounds * SIDE * BYTES) {
            got = 0;
            if (atomic_fetch_sub(&shared->waited_for, 1) == 1)
                all_of(write(finished[1], message, 1), "finish");
        }
    }
}

static void *nothing(void *unused)
{
    return unused;
}

static void setup(void)
{
    cpu_set_t all;
    pthread_t thread;
    /* The probe's process had a thread: from then on glibc's read() and write() look for cancellation. */
    if (pthread_create(&thread, NULL, nothing, NULL) != 0 || pthread_join(thread, NULL) != 0)
        die("thread");
    memset(&all, 0xff, sizeof all);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED || pipe(finished) != 0)
        die("setup");
    for (int i = 0; i < SIDE; i++)
        if (pipe(start[i]) != 0 || pipe(inbox[i]) != 0)
            die("pipe");
    for (int i = 0; i < 2 * SIDE; i++) {
        const pid_t child = fork();
        if (child < 0)
            die("fork");
        if (child > 0)
            continue;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (sched_setaffinity(0, sizeof all, &all) != 0)
            die("sched_setaffinity");
        if (i < SIDE)
            send_rounds(i);
        receive_rounds(i - SIDE);
    }
}

NOTHING_AROUND

static void once(long n)
{
    char token = 0;
    shared->rounds = n;
    atomic_store(&shared->waited_for, SIDE);
    for (int i = 0; i < SIDE; i++)
        all_of(write(start[i][1], &token, 1), "start");
    all_of(read(finished[0], &token, 1), "finish");
}
