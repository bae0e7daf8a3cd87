// A board on a pseudo-terminal: clocks a verilated top, its UART's other end is a file descriptor.
//
// Vdut FD DIVISOR
//
// Bytes from FD become bits of DIVISOR clocks on rx, bits on tx become bytes to FD. While nothing is
// to be done no clocks are spent. It ends when FD is closed at its other end.

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <poll.h>
#include <unistd.h>

#include "Vdut.h"
#include "verilated.h"

namespace {

struct Line {
    int fd;
    int divisor;
    std::deque<uint8_t> incoming, outgoing;
    // Bits still to send, the next one lowest; clocks left of the present one.
    uint32_t send_bits = 0;
    int send_left = 0, send_count = 0;
    // Place in the byte that is received: 0 is none.
    int take_place = 0, take_left = 0;
    uint8_t taken = 0;

    bool idle() const {
        return incoming.empty() && outgoing.empty() && send_count == 0 && take_place == 0;
    }
    // What is there; waits for it so many milliseconds. False when the other end is gone.
    bool look(int milliseconds) {
        pollfd one{fd, static_cast<short>(POLLIN | (outgoing.empty() ? 0 : POLLOUT)), 0};
        if (poll(&one, 1, milliseconds) < 0) return errno == EINTR;
        if (one.revents & POLLIN) {
            uint8_t buffer[4096];
            const ssize_t count = read(fd, buffer, sizeof buffer);
            if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) return false;
            if (count > 0) incoming.insert(incoming.end(), buffer, buffer + count);
        } else if (one.revents & (POLLHUP | POLLERR | POLLNVAL)) {
            return false;
        }
        while ((one.revents & POLLOUT) && !outgoing.empty()) {
            const uint8_t byte = outgoing.front();
            if (write(fd, &byte, 1) != 1) break;
            outgoing.pop_front();
        }
        return true;
    }
    // The level of rx in this clock.
    int send() {
        if (send_count == 0) {
            if (incoming.empty()) return 1;
            send_bits = (incoming.front() << 1) | 0x200;
            incoming.pop_front();
            send_count = 10;
            send_left = divisor;
        }
        const int level = send_bits & 1;
        if (--send_left == 0) {
            send_bits >>= 1;
            --send_count;
            send_left = divisor;
        }
        return level;
    }
    // Take the level of tx.
    void take(int level) {
        if (take_place == 0) {
            if (!level) {
                take_place = 1;
                take_left = divisor + divisor / 2;
            }
        } else if (--take_left == 0) {
            take_left = divisor;
            if (take_place <= 8) {
                taken = static_cast<uint8_t>((taken >> 1) | (level << 7));
                ++take_place;
            } else {
                if (level) outgoing.push_back(taken);
                take_place = 0;
            }
        }
    }
};

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    Line line{std::atoi(argv[1]), std::atoi(argv[2])};
    Vdut top;
    top.rx = 1;
    top.rst = 1;
    top.button = 0;
    uint64_t clock = 0, quiet = 0;
    while (true) {
        top.clk = 0;
        top.rx = line.send();
        top.eval();
        line.take(top.tx);
        const bool busy = top.busy;
        top.clk = 1;
        top.eval();
        if (++clock == 4) top.rst = 0;
        quiet = busy || !line.idle() ? 0 : quiet + 1;
        // A byte may be in the middle of the receiver when the line falls silent.
        const bool rests = quiet > 16u * static_cast<unsigned>(line.divisor);
        if ((rests || clock % 256 == 0) && !line.look(rests ? 50 : 0)) break;
    }
    return 0;
}
