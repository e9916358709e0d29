/* A service that writes: `writer GO BLOCK BYTES` waits until the file GO is there, then writes BYTES bytes of lines of 100
 * bytes to its standard output, BLOCK bytes with each write(2), and stays. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int count, char **words) {
    if (count != 4) return 2;
    long block = atol(words[2]), rest = atol(words[3]);
    /* Whole lines, so that a block may begin at the start of any of them. */
    long length = (block + 100) * 100;
    char *lines = malloc(length);
    if (lines == NULL) return 1;
    memset(lines, 'x', length);
    for (long at = 99; at < length; at += 100) lines[at] = '\n';
    while (access(words[1], F_OK) != 0) usleep(200);
    long at = 0;
    while (rest > 0) {
        long done = write(STDOUT_FILENO, lines + at, block < rest ? block : rest);
        if (done < 0) return 1;
        rest -= done;
        at = (at + done) % 100;
    }
    for (;;) pause();
}
