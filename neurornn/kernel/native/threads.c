/* Where the shares of a call are worked on: by torch's own threads where they can be had, by threads of one call
   elsewhere.

   torch's threads (OpenMP) wait for its next operation by spinning, on a processor that a thread of ours would have to
   share with them: at small sizes two threads then take as long as one. So the kernels ask for the same team, which is
   awake at once. It does not survive a fork: a child process starts threads for each call instead, which leave nothing
   behind for another fork to inherit. */
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE 1
#endif
#include "threads.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

/* OpenMP's own entry, as compilers call it: run `work` on `data` on each thread of a team of up to `threads`. */
typedef void (*parallel)(void (*work)(void *), void *data, unsigned threads, unsigned flags);

static _Atomic(parallel) team;
static pid_t owner; /* the process in which the team was found */

void use_team(void *entry) {
    owner = getpid();
    team = (parallel)(uintptr_t)entry;
}

/* Shares are handed to whoever asks next: a team may be smaller than was wished for. */
struct pile {
    void (*work)(void *);
    char *shares;
    size_t size;
    int n;
    atomic_int next;
};

static void take_shares(void *of) {
    struct pile *pile = of;
    for (int i; (i = atomic_fetch_add(&pile->next, 1)) < pile->n;) pile->work(pile->shares + (size_t)i * pile->size);
}

static void *start(void *of) {
    take_shares(of);
    return 0;
}

void on_threads(void (*work)(void *), void *shares, size_t size, int n) {
    struct pile pile = {.work = work, .shares = shares, .size = size, .n = n};
    const parallel with = team;
    if (n > 1 && with && owner == getpid()) {
        with(take_shares, &pile, (unsigned)n, 0);
        return;
    }
    pthread_t threads[MOST_THREADS];
    int started = 0; /* one that cannot be started is no error: the others do its share */
    while (started + 1 < n && pthread_create(&threads[started], 0, start, &pile) == 0) started++;
    take_shares(&pile);
    for (int i = 0; i < started; i++) pthread_join(threads[i], 0);
}
