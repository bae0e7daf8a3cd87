// Drives an AXI4-Stream design whose heads are written over AXI4-Lite, every channel with pauses of
// its own, and logs what happens.
//
// Vdut PLAN LOG SEED RESETS
//
// PLAN has a line a beat ("i HEAD WORD...", words of 32 bits in hexadecimal, the lowest first) and a
// line a write ("w GROUP ADDRESS DATA STROBES MUST", the first two decimal). Beats go to the
// stream one by one, BEATS of them a vector ("n BEATS"). Writes of a group go out without waiting
// for one another's answers; the next group begins when all of them are answered, and the group is
// done again if one with MUST = 0 was not answered by OKAY. Beside them registers are read at random.
// RESETS out of 65536 clocks reset the design: the vector and the group under way begin anew.
//
// LOG has a line an event, with the clock edge at which it happened: "r EDGE ADDRESS ANSWER DATA" a
// read, "b EDGE LINE ANSWER" the write of that line of PLAN (logged when its answer stands there),
// "i EDGE BEAT LAST" an input beat, "o EDGE LAST WORD..." an output beat, "x EDGE" a reset, "v EDGE
// WHAT" a broken rule of a channel, "e EDGE" the end.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "Vdut.h"
#include "verilated.h"

namespace {

template <class T>
size_t words_of(const T&) { return sizeof(T) > 4 ? 2 : 1; }
template <std::size_t N>
size_t words_of(const VlWide<N>&) { return N; }
template <class T>
void put(T& port, const std::vector<uint32_t>& words) {
    uint64_t value = words[0];
    if (words.size() > 1) value |= static_cast<uint64_t>(words[1]) << 32;
    port = static_cast<T>(value);
}
template <std::size_t N>
void put(VlWide<N>& port, const std::vector<uint32_t>& words) {
    for (std::size_t i = 0; i < N; ++i) port[i] = i < words.size() ? words[i] : 0;
}
template <class T>
std::vector<uint32_t> get(const T& port) {
    std::vector<uint32_t> words{static_cast<uint32_t>(port)};
    if (sizeof(T) > 4) words.push_back(static_cast<uint32_t>(static_cast<uint64_t>(port) >> 32));
    return words;
}
template <std::size_t N>
std::vector<uint32_t> get(const VlWide<N>& port) {
    return std::vector<uint32_t>(&port[0], &port[0] + N);
}

struct Random {
    uint64_t state;
    uint32_t next() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        return static_cast<uint32_t>(state >> 32);
    }
    // Every channel has phases, from never to always.
    bool chance(int channel) {
        if (!left[channel]--) {
            left[channel] = 1 + next() % 60;
            odds[channel] = (next() % 5) * 64;
        }
        return next() % 256 < odds[channel];
    }
    uint32_t left[7] = {1, 1, 1, 1, 1, 1, 1}, odds[7] = {};
};

struct Beat { uint32_t head; std::vector<uint32_t> words; };
struct Write { size_t line; int group; uint32_t address, data, strobes; bool must; };

}  // namespace

int main(int argc, char** argv) {
    if (argc != 5) return 2;
    std::ifstream plan(argv[1]);
    std::FILE* log = std::fopen(argv[2], "w");
    if (!plan || !log) return 1;
    Random random{std::strtoull(argv[3], nullptr, 10) * 0x9E3779B97F4A7C15ull | 1};
    for (int k = 0; k < 9; ++k) random.next();
    const uint32_t resets = std::atoi(argv[4]);
    std::vector<Beat> beats;
    std::vector<Write> writes;
    size_t length = 1, line = 0;
    for (std::string text; std::getline(plan, text); ++line) {
        std::istringstream parts(text);
        char kind;
        parts >> kind;
        if (kind == 'n') parts >> length;
        if (kind == 'i') {
            Beat beat;
            parts >> beat.head >> std::hex;
            for (uint32_t word; parts >> word;) beat.words.push_back(word);
            beats.push_back(beat);
        }
        if (kind == 'w') {
            Write write{line, 0, 0, 0, 0, false};
            parts >> write.group >> write.address >> std::hex >> write.data >> write.strobes >> write.must;
            writes.push_back(write);
        }
    }

    VerilatedContext context;
    Vdut dut(&context);
    const uint32_t registers[] = {0x00, 0x04, 0x08, 0x0C, 0x0C, 0x10, 0x14, 0x18, 0x1C, 0x3C};
    size_t beat = 0, first = 0, aw = 0, w = 0, b = 0;  // `first` of the group under way
    bool again = false;
    bool offers_beat = false, offers_aw = false, offers_w = false, offers_ar = false, beat_stood = false;
    bool b_stood = false, r_stood = false, o_stood = false;
    uint32_t b_answer = 0, r_answer = 0, r_data = 0, read = 0, taken = 0, o_last = 0;
    std::vector<uint32_t> o_words;
    size_t quiet = 0;
    long edge = 0;
    int resetting = 2;
    const auto fault = [&](const char* what) { std::fprintf(log, "v %ld %s\n", edge, what); };
    for (; quiet < 3000; ++edge, ++quiet) {
        if (!resetting && resets && random.next() % 65536 < resets) resetting = 1 + random.next() % 2;
        const bool reset = resetting > 0;
        if (reset) {
            --resetting;
            offers_beat = offers_aw = offers_w = offers_ar = false;
        }
        const size_t end = [&] {
            size_t k = first;
            while (k < writes.size() && writes[k].group == writes[first].group) ++k;
            return k;
        }();
        const auto wants = [&](bool& offers, bool there, int channel) {
            offers = !reset && (offers || (there && random.chance(channel)));
        };
        wants(offers_beat, beat < beats.size(), 0);
        wants(offers_aw, aw < end, 1);
        wants(offers_w, w < end, 2);
        const bool asked = offers_ar;
        wants(offers_ar, true, 3);
        if (offers_ar && !asked) read = registers[random.next() % 10];
        dut.aresetn = !reset;
        dut.s_axis_tvalid = offers_beat;
        if (offers_beat) {
            put(dut.s_axis_tdata, beats[beat].words);
            dut.s_axis_tuser = beats[beat].head;
        }
        // Drawn when a beat is first offered: the last of a vector is marked or not, others seldom are.
        if (offers_beat && !beat_stood)
            dut.s_axis_tlast = random.next() % ((beat + 1) % length == 0 ? 2 : 256) == 0;
        beat_stood = offers_beat;
        dut.s_axi_awvalid = offers_aw;
        dut.s_axi_awaddr = offers_aw ? writes[aw].address : random.next();
        dut.s_axi_wvalid = offers_w;
        dut.s_axi_wdata = offers_w ? writes[w].data : random.next();
        dut.s_axi_wstrb = offers_w ? writes[w].strobes : random.next();
        dut.s_axi_arvalid = offers_ar;
        dut.s_axi_araddr = read;
        dut.s_axi_bready = !reset && random.chance(4);
        dut.s_axi_rready = !reset && random.chance(5);
        dut.m_axis_tready = !reset && random.chance(6);
        dut.aclk = 0;
        dut.eval();

        if (r_stood && !(dut.s_axi_rvalid && dut.s_axi_rresp == r_answer && dut.s_axi_rdata == r_data))
            fault("an answer to a read changed");
        if (dut.s_axi_rvalid && !r_stood)
            std::fprintf(log, "r %ld %u %u %u\n", edge - 1, taken, dut.s_axi_rresp, dut.s_axi_rdata);
        if (b_stood && !(dut.s_axi_bvalid && dut.s_axi_bresp == b_answer))
            fault("an answer to a write changed");
        if (dut.s_axi_bvalid && !b_stood) {
            if (b >= aw || b >= w) {
                fault("an answer without a write");
            } else {
                std::fprintf(log, "b %ld %zu %u\n", edge - 1, writes[b].line, dut.s_axi_bresp);
                again = again || (!writes[b].must && dut.s_axi_bresp != 0);
                ++b;
                quiet = 0;
            }
        }
        const auto given = get(dut.m_axis_tdata);
        if (o_stood && !(dut.m_axis_tvalid && dut.m_axis_tlast == o_last && given == o_words))
            fault("an output changed while it waited");
        if (reset) {
            std::fprintf(log, "x %ld\n", edge);
            beat = (beat + length - 1) / length * length;
            // A group of which all is done stays done: an answer that stands there has been given.
            if (first < end && b == end && !again) first = end;
            aw = w = b = first;
            again = b_stood = r_stood = o_stood = beat_stood = false;
        } else {
            r_stood = dut.s_axi_rvalid && !dut.s_axi_rready;
            r_answer = dut.s_axi_rresp;
            r_data = dut.s_axi_rdata;
            b_stood = dut.s_axi_bvalid && !dut.s_axi_bready;
            b_answer = dut.s_axi_bresp;
            o_stood = dut.m_axis_tvalid && !dut.m_axis_tready;
            o_last = dut.m_axis_tlast;
            o_words = given;
            if (offers_beat && dut.s_axis_tready) {
                std::fprintf(log, "i %ld %zu %u\n", edge, beat, dut.s_axis_tlast);
                ++beat;
                offers_beat = beat_stood = false;
                quiet = 0;
            }
            if (dut.m_axis_tvalid && dut.m_axis_tready) {
                std::fprintf(log, "o %ld %u", edge, dut.m_axis_tlast);
                for (uint32_t word : given) std::fprintf(log, " %x", word);
                std::fprintf(log, "\n");
                quiet = 0;
            }
            if (offers_aw && dut.s_axi_awready) { ++aw; offers_aw = false; }
            if (offers_w && dut.s_axi_wready) { ++w; offers_w = false; }
            if (offers_ar && dut.s_axi_arready) {
                taken = read;
                offers_ar = false;
            }
            if (first < end && b == end) {
                if (again) aw = w = b = first;
                else first = end;
                again = false;
            }
        }
        dut.aclk = 1;
        dut.eval();
    }
    std::fprintf(log, "e %ld %zu %zu\n", edge, beat, first);
    dut.final();
    return std::fclose(log) ? 1 : 0;
}
