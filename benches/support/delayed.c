/* A service that is ready after a while: `delayed FIFO NUMBER MS` sleeps so long, tells NOTIFY_SOCKET that it is ready, writes
   "NUMBER STARTED READY" to FIFO, both in nanoseconds of CLOCK_MONOTONIC, and stays. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

int main(int count, char **words) {
    if (count != 4) return 2;
    long long started = now();
    long ms = atol(words[3]);
    struct timespec delay = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&delay, NULL);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = getenv("NOTIFY_SOCKET");
    if (path == NULL || strlen(path) >= sizeof address.sun_path) return 1;
    strcpy(address.sun_path, path);
    int notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    long long ready = now();
    if (sendto(notify, "READY=1", 7, 0, (struct sockaddr *)&address, sizeof address) != 7) return 1;
    char line[96];
    int length = snprintf(line, sizeof line, "%s %lld %lld\n", words[2], started, ready);
    int announcements = open(words[1], O_WRONLY);
    if (write(announcements, line, length) != length) return 1;
    for (;;) pause();
}
