/* A service that answers one request on each connection and closes it: `server PORT`. It listens on 127.0.0.1:PORT, or has the
 * socket as descriptor 3, if LISTEN_FDS says so (sd_listen_fds(3)). */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int open_listener(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int yes = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0) exit(1);
    if (listen(listener, SOMAXCONN) != 0) exit(1);
    return listener;
}

int main(int count, char **words) {
    static const char answer[] = "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok";
    char request[4096];
    if (count != 2) return 2;
    int listener = getenv("LISTEN_FDS") != NULL ? 3 : open_listener(atoi(words[1]));
    for (;;) {
        int connection = accept(listener, NULL, NULL);
        if (connection < 0) continue;
        if (read(connection, request, sizeof request) > 0) {
            if (write(connection, answer, sizeof answer - 1) < 0) return 1;
        }
        close(connection);
    }
}
