/* The smallest service: `service FIFO PORT` listens on 127.0.0.1:PORT (not if it is 0), writes "PID PORT" to FIFO, stays, and
   answers whatever is sent to its port by 200. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int count, char **words) {
    if (count != 3) return 2;
    int port = atoi(words[2]), listener = -1;
    if (port != 0) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        listener = socket(AF_INET, SOCK_STREAM, 0);
        if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 16) != 0) return 1;
    }
    char line[64];
    int length = snprintf(line, sizeof line, "%d %d\n", (int)getpid(), port);
    int announcements = open(words[1], O_WRONLY);
    if (write(announcements, line, length) != length) return 1;
    const char *answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    char request[1024];
    while (port != 0) {
        int client = accept(listener, NULL, NULL);
        if (client < 0) continue;
        if (read(client, request, sizeof request) > 0 && send(client, answer, strlen(answer), MSG_NOSIGNAL) < 0) perror("send");
        close(client);
    }
    for (;;) pause();
}
