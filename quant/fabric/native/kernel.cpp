// Steps of training with learned widths: the gradient that kanhw.quant.fabric.learned and
// fitting.py define by tensors, written out, and Adam behind it.
//
// One call makes an epoch of many networks, one after the other. Tables are made once a step, so a
// window of a sample costs a look-up an edge on the way forward, and one on the way back. Inputs
// are taken one after the other, so that the tables of one and the sums of all samples stay in the
// first cache.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "merging.hpp"
#include "windows.hpp"

namespace {

constexpr float LN2 = 0.69314718055994531f;

struct Layer {
    int n_in, n_out, count;      // count: functions of an edge
    int shared;                  // whether all inputs have the same functions
    const float *functions;      // [n_in or 1][2^(M+1) - 1][count]
    const float *turned;         // the same, [n_in or 1][count][2^(M+1) - 1]
    int64_t coefficients, bias, address, fraction, code, low, high;  // places in a row; -1: none
    float times;                 // how often its cost counts
    float code_cost;             // of a bit of its codes
    const int *padded;           // [n_in]: whether an input may be absent
    Windows windows;
};

struct Problem {
    int layers, most, task;      // task: 0 classes, 1 one bit, 2 reals
    int reference;               // class whose output is 0; -1: none
    const Layer *layer;
    float reach;                 // of hidden sums
    float bias_unit;             // steps in 1 of a hidden bias
    Factors factors;
    int merges;                  // whether tables of an output become one where that is cheaper
    Merger merger;
    float input_cost;            // of a bit of an input channel
    float smooth, smooth_last;
    float least_error;           // added to a mean square before its logarithm is taken
};

// What a table reaches over: where it is highest and lowest, and its bits.
struct Span {
    int high, low;
    float steps, reach, bits;
    float bend;  // tanh of twice the bits: whether the table is a summand
};

// A table as it is deployed, of one edge or of several.
struct Table {
    float address;             // bits
    float steps, reach, bits;  // steps in 1, what it reaches over in steps, and its bits
    float bend;
    int edges, finest;         // how many edges it is of, and how many of them have its step
};

// What the cost moves by: a bit of a table and of its address.
struct Pull {
    float of_out, of_address;
};

struct Work {  // of a layer
    std::vector<float> fine, coarse, rough;  // [edge][2^M], [edge][2^M], [edge][16]
    // [n_in][2^M + 3][n_out]: below, the codes, above, and nothing, which padding reads.
    std::vector<float> table, slope, change;
    std::vector<char> gone;       // edges that were frozen away: their tables are 0, and stay so
    std::vector<int> read;        // inputs that some other edge reads
    std::vector<float> bits;      // real address bits of every edge, limited by the code
    std::vector<int> whole;       // rounded
    std::vector<float> bias;      // rounded
    std::vector<Span> spans;      // of every edge
    std::vector<int> leaders;     // of every edge the input whose edge stands for their table
    std::vector<Table> tables;    // of every leader
    std::vector<Pull> pulls;      // of every leader
    Merged merged;
    // R: windows of all samples.
    std::vector<int> rows;        // [n_in][R]: places in the table of the input
    std::vector<float> u, moved;  // [n_in][R], [R]
    std::vector<float> sums, back, down;  // [R][n_out], [R][n_out], [N][values]
    Pooled pooled;
};

float half_up(float value) { return std::floor(value + 0.5f); }

int level(int bits) { return (1 << bits) - 1; }

int64_t points_of(int most) { return (int64_t(2) << most) - 1; }

// Where the functions of an input begin, in either order.
int64_t place_of(const Layer &own, int most, int i) {
    return own.shared ? 0 : i * points_of(most) * own.count;
}

// Point by point, so that the compiler takes many points at once, and keeps so few in registers.
template <int cells>
void some_points(const float *at, const float *c, int count, int64_t points, float *out) {
    float sums[cells] = {};
    for (int k = 0; k < count; k++, at += points)
        for (int a = 0; a < cells; a++) sums[a] += c[k] * at[a];
    std::copy_n(sums, cells, out);
}

void curve(const float *turned, const float *c, int count, int64_t points, int bits, float *out) {
    const float *at = turned + level(bits);
    if (bits == 0) return some_points<1>(at, c, count, points, out);
    if (bits == 1) return some_points<2>(at, c, count, points, out);
    if (bits == 2) return some_points<4>(at, c, count, points, out);
    if (bits == 3) return some_points<8>(at, c, count, points, out);
    for (int a = 0; a < 1 << bits; a += 16)
        some_points<16>(at + a, c, count, points, out + a);
}

void curve_back(const float *functions, const float *g, int count, int bits,
                float *__restrict out) {
    const float *at = functions + int64_t(level(bits)) * count;
    for (int a = 0; a < 1 << bits; a++, at += count)
        for (int k = 0; k < count; k++) out[k] += g[a] * at[k];
}

// Freezing leaves such edges only, whose numbers are not learned: a training cannot meet them.
bool is_gone(const Layer &own, const float *row, int e) {
    const float *c = row + own.coefficients + int64_t(e) * own.count;
    return row[own.address + e] == 0 && std::all_of(c, c + own.count, [](float v) { return v == 0; });
}

void make_tables(const Problem &p, int l, const float *row, Work &work) {
    const Layer &own = p.layer[l];
    const int full = 1 << p.most, rough = std::min(4, p.most);
    const int edges = own.n_out * own.n_in;
    work.fine.resize(int64_t(edges) * full);
    work.coarse.resize(int64_t(edges) * full);
    work.rough.resize(int64_t(edges) << rough);
    const int64_t cells = int64_t(own.n_in) * (full + 3) * own.n_out;
    work.table.assign(cells, 0);
    work.slope.assign(cells, 0);
    work.change.assign(cells, 0);
    work.gone.assign(edges, 0);
    work.read.clear();
    work.bits.resize(edges);
    work.whole.resize(edges);
    work.bias.resize(own.n_out);
    for (int j = 0; j < own.n_out; j++) {
        float unit = p.bias_unit;
        if (own.code < 0) {
            float finest = -1e30f;
            for (int i = 0; i < own.n_in; i++)
                finest = std::max(finest, half_up(row[own.fraction + j * own.n_in + i]));
            unit = std::exp2(finest);
        }
        work.bias[j] = half_up(row[own.bias + j] * unit) / unit;
    }
    for (int i = 0; i < own.n_in; i++) {
        for (int j = 0; j < own.n_out; j++) {
            const int e = j * own.n_in + i;
            float bits = row[own.address + e];
            if (l > 0) bits = std::min(bits, row[p.layer[l - 1].code + own.windows.channel[i]]);
            // Written so that NaN, which a diverging training makes, is a place in the table too.
            bits = bits > 0 ? std::min(bits, float(p.most)) : 0;
            work.bits[e] = bits;
            const int n = work.whole[e] = int(half_up(bits));
            const int64_t step = own.n_out, base = int64_t(i) * (full + 3) * step + j;
            if (is_gone(own, row, e)) {
                work.gone[e] = 1;
                for (int a = 0; a < full + 2; a++) work.table[base + a * step] = 0;
                continue;
            }
            const float *f = own.turned + place_of(own, p.most, i);
            const float *c = row + own.coefficients + int64_t(e) * own.count;
            const int64_t points = points_of(p.most);
            float *fine = &work.fine[int64_t(e) * full], *coarse = &work.coarse[int64_t(e) * full];
            curve(f, c, own.count, points, p.most, fine);
            if (n == p.most) std::copy_n(fine, full, coarse);
            else curve(f, c, own.count, points, n, coarse);
            float *smooth = &work.rough[int64_t(e) << rough];
            if (rough == p.most) std::copy_n(fine, full, smooth);
            else curve(f, c, own.count, points, rough, smooth);
            const float unit_out = std::exp2(half_up(row[own.fraction + e]));
            for (int a = 0; a < full; a++) {
                const float value = half_up(coarse[a >> (p.most - n)] * unit_out) / unit_out;
                work.table[base + (a + 1) * step] = value;
                float rise;
                if (a == 0) rise = fine[1] - fine[0];
                else if (a == full - 1) rise = fine[a] - fine[a - 1];
                else rise = (fine[a + 1] - fine[a - 1]) / 2;
                work.slope[base + (a + 1) * step] = rise * full;
            }
            work.table[base] = work.table[base + step];
            work.table[base + (full + 1) * step] = work.table[base + full * step];
        }
    }
}

void find_read(const Layer &own, Work &work) {
    for (int i = 0; i < own.n_in; i++)
        for (int j = 0; j < own.n_out; j++)
            if (!work.gone[j * own.n_in + i]) {
                work.read.push_back(i);
                break;
            }
}

void look_up(const Problem &p, int l, Work &work, int samples) {
    const Layer &own = p.layer[l];
    const int full = 1 << p.most, n_out = own.n_out, count = samples * own.windows.positions;
    work.rows.resize(int64_t(count) * own.n_in);
    work.sums.resize(int64_t(count) * n_out);
    for (int n = 0; n < count; n++)
        std::copy_n(work.bias.data(), n_out, &work.sums[int64_t(n) * n_out]);
    for (const int i : work.read) {
        const float *u = &work.u[int64_t(i) * count];
        int *rows = &work.rows[int64_t(i) * count];
        for (int n = 0; n < count; n++) {
            const float a = std::floor(u[n] * full);
            const int place = a >= full ? full : a >= 0 ? int(a) : -1;
            rows[n] = (place + 1) * n_out;
        }
        read_nothing(own.windows, i, samples, (full + 2) * n_out, rows);
        const float *tables = &work.table[int64_t(i) * (full + 3) * n_out];
        float *__restrict sums = work.sums.data();
        for (int n = 0; n < count; n++, sums += n_out) {
            const float *table = tables + rows[n];
            for (int j = 0; j < n_out; j++) sums[j] += table[j];
        }
    }
}

// What every sum of the last layer moves the mean loss by.
void loss_back(const Problem &p, Work &work, const float *y, int samples) {
    const int n_out = p.layer[p.layers - 1].n_out;
    work.back.resize(work.sums.size());
    float error = 0;  // mean square
    if (p.task == 2) {
        double total = 0;
        for (size_t k = 0; k < work.sums.size(); k++)
            total += (work.sums[k] - y[k]) * (work.sums[k] - y[k]);
        error = float(total / double(work.sums.size())) + p.least_error;
    }
    for (int n = 0; n < samples; n++) {
        const float *sums = &work.sums[int64_t(n) * n_out];
        float *back = &work.back[int64_t(n) * n_out];
        if (p.task == 0) {
            float top = p.reference >= 0 ? 0.0f : sums[0];
            for (int j = 0; j < n_out; j++) top = std::max(top, sums[j]);
            float total = p.reference >= 0 ? std::exp(-top) : 0.0f;
            for (int j = 0; j < n_out; j++) total += back[j] = std::exp(sums[j] - top);
            const int label = int(y[n]);
            for (int j = 0; j < n_out; j++) {
                const int named = j + (p.reference >= 0 && j >= p.reference);
                back[j] = (back[j] / total - (named == label)) / samples;
            }
        } else {
            for (int j = 0; j < n_out; j++) {
                const float aim = y[int64_t(n) * n_out + j];
                if (p.task == 1) back[j] = (1 / (1 + std::exp(-sums[j])) - aim) / samples;
                else back[j] = (sums[j] - aim) / (error * float(samples) * n_out);
            }
        }
    }
}

// Collects changes of tables and bias, and what the values before change.
void look_back(const Problem &p, int l, const float *row, Work &work, float *grad, int samples) {
    const Layer &own = p.layer[l];
    const int n_out = own.n_out, count = samples * own.windows.positions;
    const int64_t cells = ((int64_t(1) << p.most) + 3) * n_out;
    work.moved.resize(count);
    if (l > 0) work.down.assign(int64_t(samples) * own.windows.values, 0);
    for (int n = 0; n < count; n++)
        for (int j = 0; j < n_out; j++) grad[own.bias + j] += work.back[int64_t(n) * n_out + j];
    for (const int i : work.read) {
        const int *rows = &work.rows[int64_t(i) * count];
        const float *us = &work.u[int64_t(i) * count];
        const int channel = own.windows.channel[i];
        const float *g = work.back.data(), *slopes = &work.slope[i * cells];
        float *changes = &work.change[i * cells];
        const float width = l > 0 ? 0 : row[own.high + channel] - row[own.low + channel];
        for (int n = 0; n < count; n++, g += n_out) {
            float *__restrict change = changes + rows[n];
            const float *slope = slopes + rows[n];
            float moved = 0;
#pragma omp simd reduction(+ : moved)
            for (int j = 0; j < n_out; j++) {
                change[j] += g[j];
                moved += slope[j] * g[j];
            }
            if (l > 0) {
                work.moved[n] = moved;
            } else {
                const float u = us[n];
                grad[own.low + channel] -= moved * (1 - u) / width;
                grad[own.high + channel] -= moved * u / width;
            }
        }
        if (l > 0) scatter(own.windows, i, work.moved.data(), samples, work.down.data());
    }
}

Span span_of(const float *coarse, int entries, float fraction) {
    Span own{0, 0, std::exp2(fraction), 0, 0, 0};
    for (int a = 1; a < entries; a++) {
        if (coarse[a] > coarse[own.high]) own.high = a;
        if (coarse[a] < coarse[own.low]) own.low = a;
    }
    own.reach = (coarse[own.high] - coarse[own.low]) * own.steps;
    own.bits = std::log2(own.reach + 1);
    own.bend = std::tanh(2 * own.bits);
    return own;
}

// Whose tables become one: found anew now and then, or nobody's.
void find_leaders(const Problem &p, const Layer &own, Work &work, bool anew) {
    const int edges = own.n_out * own.n_in;
    if (p.merges && !anew) return;
    work.leaders.resize(edges);
    for (int e = 0; e < edges; e++) work.leaders[e] = e % own.n_in;
    if (!p.merges) return;
    for (int j = 0; j < own.n_out; j++) {
        work.merged.candidates.clear();
        for (int i = 0; i < own.n_in; i++) {
            const int e = j * own.n_in + i;
            const Span &span = work.spans[e];
            if (own.padded[i] || work.whole[e] == 0 || span.reach == 0) continue;
            const float bits = work.bits[e], there = std::min(bits, 1.0f);
            const float luts = weight_of(p.factors, bits).value * span.bits +
                               p.factors.adder * (span.bits + p.factors.offset) * span.bend * there;
            work.merged.candidates.push_back(
                {i, bits, there * span.reach / span.steps, span.steps, luts});
        }
        merge(p.factors, p.merger, work.merged, &work.leaders[j * own.n_in]);
    }
}

// The tables that are deployed, each in the place of its leader.
void make_deployed(const Layer &own, Work &work) {
    const int edges = own.n_out * own.n_in;
    work.tables.assign(edges, Table{0, 0, 0, 0, 0, 0, 0});
    for (int e = 0; e < edges; e++) {
        Table &table = work.tables[e - e % own.n_in + work.leaders[e]];
        table.address += work.bits[e];
        const float steps = work.spans[e].steps;
        table.finest = steps > table.steps ? 1 : table.finest + (steps == table.steps);
        table.steps = std::max(table.steps, steps);
        table.edges++;
    }
    for (int e = 0; e < edges; e++) {
        Table &table = work.tables[e - e % own.n_in + work.leaders[e]];
        const Span &span = work.spans[e];
        if (table.edges == 1) table.reach = span.reach, table.bits = span.bits, table.bend = span.bend;
        else table.reach += std::min(work.bits[e], 1.0f) * span.reach / span.steps * table.steps;
    }
    for (Table &table : work.tables)
        if (table.edges > 1) {
            table.bits = std::log2(table.reach + 1);
            table.bend = std::tanh(2 * table.bits);
        }
}

// What the cost of output j moves by; the widest of its tables costs a part of an adder.
void pull_output(const Problem &p, const Layer &own, Work &work, float beta, int j) {
    const Table *tables = &work.tables[j * own.n_in];
    const Factors &f = p.factors;
    int widest = 0;
    float most = -1;
    for (int i = 0; i < own.n_in; i++) {
        const Table &table = tables[i];
        const float taken =
            (table.bits + f.offset) * table.bend * std::min(table.address, 1.0f);
        if (taken > most) most = taken, widest = i;
    }
    for (int i = 0; i < own.n_in; i++) {
        const Table &table = tables[i];
        if (table.edges == 0) continue;
        const float added = i == widest ? f.widest * f.adder : f.adder;
        const Weight weight = weight_of(f, table.address);
        const float bend = table.bend, gate = std::min(table.address, 1.0f);
        const float adder = added * (table.bits + f.offset);
        work.pulls[j * own.n_in + i] = {
            beta * (weight.value + gate * (added * bend + adder * 2 * (1 - bend * bend))),
            beta * (weight.rise * table.bits + (table.address <= 1 ? adder * bend : 0))};
    }
}

// The edge's share of the gradient: its table, what it costs, how rough it is.
void table_back(const Problem &p, int l, const float *row, Work &work, float beta, bool anew,
                float *grad) {
    const Layer &own = p.layer[l];
    const int full = 1 << p.most, rough = std::min(4, p.most);
    const bool last = l == p.layers - 1;
    const float inputs = beta;  // are encoded once, however many windows read them
    beta *= own.times;
    std::vector<float> cells(full), pulls(full), second(1 << rough);
    work.spans.resize(int64_t(own.n_out) * own.n_in);
    for (size_t e = 0; e < work.spans.size(); e++)
        work.spans[e] = work.gone[e] ? Span{0, 0, 1, 0, 0, 0}
                                     : span_of(&work.coarse[e << p.most], 1 << work.whole[e],
                                               row[own.fraction + e]);
    find_leaders(p, own, work, anew);
    make_deployed(own, work);
    work.pulls.resize(work.spans.size());
    for (int j = 0; j < own.n_out; j++) pull_output(p, own, work, beta, j);
    for (int i = 0; i < own.n_in; i++) {
        for (int j = 0; j < own.n_out; j++) {
            const int e = j * own.n_in + i, n = work.whole[e], cut = p.most - n;
            if (work.gone[e]) continue;
            const int64_t step = own.n_out, base = int64_t(i) * (full + 3) * step + j;
            float *change = &work.change[base];
            change[step] += change[0];
            change[full * step] += change[(full + 1) * step];
            const float *fine = &work.fine[int64_t(e) * full];
            const float *coarse = &work.coarse[int64_t(e) * full];
            for (int a = 0; a < full; a++) pulls[a] = change[(a + 1) * step];
            float of_bits = 0, of_fraction = 0;
            if (cut == 0) {
                std::swap(cells, pulls);
            } else {
                std::fill_n(cells.begin(), 1 << n, 0.0f);
                for (int a = 0; a < full; a++) {
                    cells[a >> cut] += pulls[a];
                    of_bits += (fine[a] - coarse[a >> cut]) * pulls[a];
                }
            }
            for (int c = 0; c < 1 << n; c++)
                of_fraction += (coarse[c] - work.table[base + ((c << cut) + 1) * step]) * cells[c];
            of_bits *= LN2;
            of_fraction *= LN2;

            const Span &span = work.spans[e];
            const int leader = e - i + work.leaders[e];
            const Table &table = work.tables[leader];
            const Pull &moved = work.pulls[leader];
            const float bits = work.bits[e], there = table.edges == 1 ? 1 : std::min(bits, 1.0f);
            const float of_reach = moved.of_out * table.steps / ((table.reach + 1) * LN2);
            of_bits += moved.of_address;
            if (table.edges > 1 && bits <= 1) of_bits += of_reach * span.reach / span.steps;
            if (span.steps == table.steps)
                of_fraction += moved.of_out * table.reach / (table.reach + 1) / table.finest;
            cells[span.high] += of_reach * there;
            cells[span.low] -= of_reach * there;

            grad[own.fraction + e] += of_fraction;
            if (l > 0) {
                const int64_t at = p.layer[l - 1].code + own.windows.channel[i];
                const float code = row[at], mine = row[own.address + e];
                const float share = mine < code ? 1 : mine > code ? 0 : 0.5f;
                grad[own.address + e] += share * of_bits;
                grad[at] += (1 - share) * of_bits;
            } else {
                grad[own.address + e] += of_bits;
            }
            const float *f = own.functions + place_of(own, p.most, i);
            float *out_grad = grad + own.coefficients + int64_t(e) * own.count;
            curve_back(f, cells.data(), own.count, n, out_grad);

            const float smooth = last ? p.smooth_last : p.smooth;
            if (smooth > 0 && rough >= 2) {
                const float *r = &work.rough[int64_t(e) << rough];
                const float scale = 2 * smooth * float(1 << 3 * rough);
                std::fill(second.begin(), second.end(), 0.0f);
                for (int a = 1; a + 1 < 1 << rough; a++) {
                    const float g = scale * (r[a + 1] - 2 * r[a] + r[a - 1]);
                    second[a + 1] += g;
                    second[a] -= 2 * g;
                    second[a - 1] += g;
                }
                curve_back(f, second.data(), own.count, rough, out_grad);
            }
        }
    }
    if (own.code >= 0)
        for (int j = 0; j < own.n_out; j++) grad[own.code + j] += beta * own.code_cost;
    if (l == 0 && p.input_cost > 0)
        for (int c = 0; c < own.windows.channels; c++) {
            int most = -1;
            for (int e = 0; e < own.n_out * own.n_in; e++)
                if (own.windows.channel[e % own.n_in] == c &&
                    (most < 0 || work.bits[e] > work.bits[most]))
                    most = e;
            if (most >= 0) grad[own.address + most] += inputs * p.input_cost;
        }
}

}  // namespace

extern "C" {

// The gradient of one network on samples x [N][n_in] and y.
//
// Which tables are merged is found anew, or as the step before of this thread found it.
void kanhw_gradient(const Problem *problem, const float *row, int64_t size, const float *x,
                    const float *y, int samples, float beta, int anew, float *grad) {
    const Problem &p = *problem;
    static thread_local std::vector<Work> works;
    works.resize(p.layers);
    std::fill(grad, grad + size, 0.0f);
    const float *values = x;  // that the layer reads
    for (int l = 0; l < p.layers; l++) {
        Work &work = works[l];
        const Layer &own = p.layer[l];
        make_tables(p, l, row, work);
        find_read(own, work);
        const int64_t count = int64_t(samples) * own.windows.positions;
        work.u.resize(count * own.n_in);
        for (const int i : work.read) {
            const int channel = own.windows.channel[i];
            const float low = l > 0 ? 0 : row[own.low + channel];
            const float width = l > 0 ? 1 : row[own.high + channel] - low;
            gather(own.windows, i, values, samples, low, width, &work.u[i * count]);
        }
        look_up(p, l, work, samples);
        if (own.code >= 0)
            values = shares_of(own.windows, own.n_out, work.sums, samples, p.reach,
                               row + own.code, work.pooled);
    }
    loss_back(p, works[p.layers - 1], y, samples);
    for (int l = p.layers - 1; l >= 0; l--) {
        look_back(p, l, row, works[l], grad, samples);
        if (l > 0) {
            Work &before = works[l - 1];
            const Layer &own = p.layer[l - 1];
            before.back.resize(before.sums.size());
            shares_back(own.windows, own.n_out, works[l].down, samples, p.reach, LN2,
                        before.pooled, grad + own.code, before.back);
        }
        table_back(p, l, row, works[l], beta, anew, grad);
    }
}

// Steps of one network: samples by order [steps][batch], rates [size], a beta a step.
void kanhw_steps(const Problem *problem, float *row, float *mean, float *square, int64_t size,
                 int64_t done, const float *x, const float *y, int n_in, int n_y,
                 const int64_t *order, int steps, int batch, const float *rates,
                 const float *lower, const float *upper, const float *betas) {
    std::vector<float> grad(size), some_x(int64_t(batch) * n_in), some_y(int64_t(batch) * n_y);
    for (int step = 0; step < steps; step++) {
        for (int n = 0; n < batch; n++) {
            const int64_t from = order[int64_t(step) * batch + n];
            std::copy_n(x + from * n_in, n_in, &some_x[int64_t(n) * n_in]);
            std::copy_n(y + from * n_y, n_y, &some_y[int64_t(n) * n_y]);
        }
        kanhw_gradient(problem, row, size, some_x.data(), some_y.data(), batch, betas[step],
                       step % problem->merger.every == 0, grad.data());
        const double k = double(++done);
        const double scale = std::sqrt(1 - std::pow(0.999, k)) / (1 - std::pow(0.9, k));
        for (int64_t i = 0; i < size; i++) {
            mean[i] += 0.1f * (grad[i] - mean[i]);
            square[i] = 0.999f * square[i] + 0.001f * grad[i] * grad[i];
            const float change = mean[i] * float(scale) / (std::sqrt(square[i]) + 1e-8f);
            row[i] = std::max(std::min(row[i] - rates[i] * change, upper[i]), lower[i]);
        }
    }
}

}  // extern "C"
