// Streams packed vectors from a file through a verilated design, as fast as it goes.
//
// Vdut INPUTS OUTPUTS COUNT IN_BEATS OUT_BEATS LATENCY INTERVAL STALLS SEED
//
// INPUTS and OUTPUTS hold one payload after the other, each as little-endian 32-bit words, behind
// which an input has one more for a head that has a signal of its own. COUNT times IN_BEATS payloads are fed; up to COUNT times OUT_BEATS outputs are written (extra ones are
// only counted). LATENCY and INTERVAL are the declared ones and say how long to wait. With STALLS
// both ends pause at random, drawn from SEED. One JSON line on stdout tells what happened.
// KANHW_HANDSHAKE tells whether the design has valid/ready streams, KANHW_RESET_LEVEL at what level
// it is reset, and KANHW_CLOCK, KANHW_IN_DATA, KANHW_OUT_LAST and so on what its ports are called;
// those that it does not have are not defined. Every last beat is marked where there is a signal for
// it. Verilator writes the second of two underscores as _05F: i___05Fvalid is the port i__valid.

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "Vdut.h"
#include "verilated.h"

namespace {

using Word = uint32_t;

// A port is an unsigned integer of 8 to 64 bits, or a VlWide of 32-bit words.
template <class T>
constexpr size_t words_of(const T&) {
    return sizeof(T) > 4 ? 2 : 1;
}
template <std::size_t N>
constexpr size_t words_of(const VlWide<N>&) {
    return N;
}

template <class T>
void put(T& port, const Word* words) {
    uint64_t value = words[0];
    if (sizeof(T) > 4) value |= static_cast<uint64_t>(words[1]) << 32;
    port = static_cast<T>(value);
}
template <std::size_t N>
void put(VlWide<N>& port, const Word* words) {
    for (std::size_t i = 0; i < N; ++i) port[i] = words[i];
}

template <class T>
void get(const T& port, Word* words) {
    words[0] = static_cast<Word>(port);
    if (sizeof(T) > 4) words[1] = static_cast<Word>(static_cast<uint64_t>(port) >> 32);
}
template <std::size_t N>
void get(const VlWide<N>& port, Word* words) {
    for (std::size_t i = 0; i < N; ++i) words[i] = port[i];
}

// Marsaglia's xorshift: pauses need no better.
struct Random {
    uint64_t state;
    explicit Random(uint64_t seed) : state(seed * 0x9E3779B97F4A7C15ull + 0x1234567ull) {
        if (!state) state = 1;
    }
    uint32_t next() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        return static_cast<uint32_t>(state >> 32);
    }
};

// The phases of kanhw.sim.stalls: none, light, heavy, consumer blocked, producer starved.
struct StallPlan {
    Random random;
    bool enabled;
    int longest, left = 0;
    uint32_t send = 256, take = 256;  // chances out of 256
    StallPlan(uint64_t seed, int latency, bool on)
        : random(seed), enabled(on), longest(latency + 8) {}
    void step(bool& sends, bool& takes) {
        sends = takes = true;
        if (!enabled) return;
        if (left == 0) phase();
        --left;
        sends = random.next() % 256 < send;
        takes = random.next() % 256 < take;
    }
    void phase() {
        left = 8 + random.next() % 57;
        send = take = 256;
        switch (random.next() % 5) {
            case 1: send = 180 + random.next() % 64; take = 180 + random.next() % 64; break;
            case 2: send = 26 + random.next() % 103; take = 26 + random.next() % 103; break;
            case 3: left = longest; take = 0; break;
            case 4: left = longest; send = 0; break;
            default: break;
        }
    }
};

struct Job {
    size_t count, in_beats, out_beats;
    int latency, interval;
    bool stalls;
    uint64_t seed;
    // Before the first stall so many vectors have passed, for the latency; of a few vectors none.
    size_t unstalled() const { return count < 4 ? 0 : 1; }
    size_t inputs() const { return count * in_beats; }
    size_t outputs() const { return count * out_beats; }
    // Cycles after which a design that nobody stalls has handed out what it was given.
    int depth() const { return (latency > 0 ? latency : 0) + interval - 1; }
};

struct Counts {
    size_t accepted = 0, received = 0, cycles = 0, dropped_valid = 0, changed_payload = 0;
    size_t wrong_last = 0;
    long accepted_at = -1;          // the edge that took the last beat of the first input
    std::vector<size_t> completed;  // the edges that handed out last beats
    bool measured = false;
    long latency = 0;
};

Vdut* dut;

// 32-bit words of an input: its codes, and behind them a head of its own.
size_t input_words() {
#ifdef KANHW_IN_USER
    return words_of(dut->KANHW_IN_DATA) + 1;
#else
    return words_of(dut->KANHW_IN_DATA);
#endif
}

void put_input(const Word* words) {
    put(dut->KANHW_IN_DATA, words);
#ifdef KANHW_IN_USER
    dut->KANHW_IN_USER = words[words_of(dut->KANHW_IN_DATA)];
#endif
}

// Marks an input as the last of its vector, if there is a signal for it.
void mark_last(bool last) {
#ifdef KANHW_IN_LAST
    dut->KANHW_IN_LAST = last;
#else
    (void)last;
#endif
}

// Whether an output is marked as it must be.
bool marked_well(bool last) {
#ifdef KANHW_OUT_LAST
    return dut->KANHW_OUT_LAST == last;
#else
    return last || !last;
#endif
}

void rise() {
    dut->KANHW_CLOCK = 1;
    dut->eval();
}

#if KANHW_HANDSHAKE
void reset() {
    dut->KANHW_RESET = KANHW_RESET_LEVEL;
    dut->KANHW_IN_VALID = 0;
    dut->KANHW_OUT_READY = 0;
    for (int i = 0; i < 2; ++i) {
        dut->KANHW_CLOCK = 0;
        dut->eval();
        rise();
    }
    dut->KANHW_RESET = !KANHW_RESET_LEVEL;
}

Counts run(const std::vector<Word>& in, std::vector<Word>& out, const Job& job) {
    const size_t inputs = job.inputs(), outputs = job.outputs();
    const size_t in_words = input_words(), out_words = words_of(dut->KANHW_OUT_DATA);
    StallPlan plan(job.seed, job.depth(), job.stalls);
    Counts n;
    std::vector<Word> now(out_words), waiting(out_words);
    bool offering = false, stalled = false;
    const size_t patience = 4 * static_cast<size_t>(job.depth()) + 1024;
    size_t quiet = 0, tail = 2 * static_cast<size_t>(job.depth()) + 16;
    reset();
    // After the last output, some cycles more: nothing may follow.
    while (n.received < outputs ? quiet < patience : tail-- > 0) {
        bool sends, takes;
        plan.enabled = job.stalls && n.completed.size() >= job.unstalled();
        plan.step(sends, takes);
        if (n.received >= outputs) takes = true;
        if (!offering && sends && n.accepted < inputs) {
            offering = true;
            put_input(&in[n.accepted * in_words]);
            mark_last((n.accepted + 1) % job.in_beats == 0);
        }
        dut->KANHW_IN_VALID = offering;
        dut->KANHW_OUT_READY = takes;
        dut->KANHW_CLOCK = 0;
        dut->eval();
        const bool accepts = offering && dut->KANHW_IN_READY;
        const bool valid = dut->KANHW_OUT_VALID, gives = valid && takes;
        if (stalled || (valid && !takes)) {
            if (valid) get(dut->KANHW_OUT_DATA, now.data());
            if (stalled && !valid) ++n.dropped_valid;
            if (stalled && valid && now != waiting) ++n.changed_payload;
            waiting = now;
        }
        stalled = valid && !takes;
        if (accepts) {
            if (++n.accepted == job.in_beats) n.accepted_at = static_cast<long>(n.cycles);
            offering = false;
        }
        if (valid && !marked_well((n.received + 1) % job.out_beats == 0)) ++n.wrong_last;
        if (gives) {
            if (n.received < outputs) get(dut->KANHW_OUT_DATA, &out[n.received * out_words]);
            if (++n.received % job.out_beats == 0) n.completed.push_back(n.cycles);
        }
        if (accepts || gives) quiet = 0;
        else if (takes && (offering || n.accepted == inputs)) ++quiet;
        rise();
        ++n.cycles;
    }
    n.measured = !n.completed.empty() && n.accepted_at >= 0 && (!job.stalls || job.unstalled());
    if (n.measured) n.latency = static_cast<long>(n.completed[0]) - n.accepted_at;
    return n;
}
#else
// Such a design takes a vector at every clock, so that a vector is one beat.
Counts run(const std::vector<Word>& in, std::vector<Word>& out, const Job& job) {
    const size_t count = job.count, latency = static_cast<size_t>(job.latency);
    const size_t in_words = input_words(), out_words = words_of(dut->KANHW_OUT_DATA);
    Counts n;
    n.measured = true;
    n.latency = job.latency;
    for (; n.received < count; ++n.cycles) {
        if (n.accepted < count) put_input(&in[n.accepted++ * in_words]);
        dut->KANHW_CLOCK = 0;
        dut->eval();
        if (n.cycles >= latency) {
            get(dut->KANHW_OUT_DATA, &out[n.received++ * out_words]);
            n.completed.push_back(n.cycles);
        }
        rise();
    }
    return n;
}
#endif

// Measurements as JSON; what could not be measured is null.
std::string latency(const Counts& n) { return n.measured ? std::to_string(n.latency) : "null"; }

std::string interval(const Counts& n) {
    // The first inputs find an empty pipeline: only the later half passes at its own pace.
    const size_t size = n.completed.size(), half = size / 2;
    if (size < 4) return "null";
    return std::to_string(static_cast<double>(n.completed[size - 1] - n.completed[half]) /
                          static_cast<double>(size - 1 - half));
}

bool transfer(const char* path, const char* mode, std::vector<Word>& words) {
    FILE* file = std::fopen(path, mode);
    if (!file) return false;
    const size_t done = mode[0] == 'r' ? std::fread(words.data(), sizeof(Word), words.size(), file)
                                       : std::fwrite(words.data(), sizeof(Word), words.size(), file);
    return !std::fclose(file) && done == words.size();
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 10) {
        std::fprintf(stderr, "usage: Vdut INPUTS OUTPUTS COUNT IN_BEATS OUT_BEATS LATENCY INTERVAL "
                             "STALLS SEED\n");
        return 2;
    }
    VerilatedContext context;
    Vdut design(&context);
    dut = &design;
    const auto number = [&](int k) { return std::strtoull(argv[k], nullptr, 10); };
    const Job job{number(3), number(4), number(5), std::atoi(argv[6]), std::atoi(argv[7]),
                  argv[8][0] == '1', number(9)};
    std::vector<Word> in(job.inputs() * input_words());
    std::vector<Word> out(job.outputs() * words_of(dut->KANHW_OUT_DATA));
    if (!transfer(argv[1], "rb", in)) {
        std::fprintf(stderr, "cannot read %s\n", argv[1]);
        return 1;
    }
    dut->KANHW_CLOCK = 1;
    dut->eval();
    const auto start = std::chrono::steady_clock::now();
    const Counts n = run(in, out, job);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    design.final();
    if (!transfer(argv[2], "wb", out)) {
        std::fprintf(stderr, "cannot write %s\n", argv[2]);
        return 1;
    }
    std::printf(
        "{\"accepted\": %zu, \"received\": %zu, \"cycles\": %zu, \"dropped_valid\": %zu, "
        "\"changed_payload\": %zu, \"wrong_last\": %zu, \"seconds\": %.9f, \"latency\": %s, \"interval\": %s}\n",
        n.accepted, n.received, n.cycles, n.dropped_valid, n.changed_payload, n.wrong_last,
        seconds.count(), latency(n).c_str(), interval(n).c_str());
    return 0;
}
