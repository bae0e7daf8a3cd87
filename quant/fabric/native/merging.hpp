// Tables of one output that become one, as kanhw.quant.fabric.learned.merging says.

#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

struct Factors {
    float table[10];      // cost of an output bit by address bits, 0 of none
    float adder, offset;  // of a summand,
    float widest;         // of the widest of an output its part
};

struct Merger {
    float most, worth;  // most address bits together, and what a merger saves at least
    int tried;          // so many tables at once are tried with one another
    int every;          // steps until it is found anew
};

// A table that may be merged: its edge, address bits, real reach, steps in 1, and cost.
struct Candidate {
    int edge;
    float bits, reach, steps, luts;
};

struct Merged {
    std::vector<Candidate> candidates;
    std::vector<float> saved;     // [n][n]: by pairs, the smaller place first
    std::vector<int> best, slot;  // of every place the best partner; where a candidate went
};

// The factor of an output bit, on straight lines between whole address bits.
struct Weight {
    float value, rise;
};

inline Weight weight_of(const Factors &f, float bits) {
    const int under = std::min(int(std::floor(bits)), 7);
    const float rise = f.table[under + 1] - f.table[under];
    return {f.table[under] + rise * (bits - under), rise};
}

inline Candidate both_of(const Factors &f, const Candidate &a, const Candidate &b) {
    const float reach = a.reach + b.reach, steps = std::max(a.steps, b.steps);
    const float bits = a.bits + b.bits, out = std::log2(reach * steps + 1);
    return {a.edge, bits, reach, steps, weight_of(f, bits).value * out + f.adder * (out + f.offset)};
}

inline float saved_by(const Factors &f, const Merger &m, const Candidate &a, const Candidate &b) {
    if (a.bits + b.bits > m.most) return -1;
    return a.luts + b.luts - both_of(f, a, b).luts;
}

// Candidates [n] that are tried with one another: whatever saves most is merged first.
inline void merge_some(const Factors &f, const Merger &m, Candidate *own, int n, Merged &work,
                       int *leaders) {
    work.saved.resize(n * n);
    work.best.resize(n);
    work.slot.resize(n);
    float *saved = work.saved.data();
    const auto look = [&](int a) {  // for the best partner behind it
        int best = a;
        float most = -1;
        for (int b = a + 1; b < n; b++)
            if (saved[a * n + b] > most) most = saved[a * n + b], best = b;
        work.best[a] = best;
    };
    for (int a = 0; a < n; a++) {
        work.slot[a] = a;
        saved[a * n + a] = -1;
        for (int b = a + 1; b < n; b++) saved[a * n + b] = saved_by(f, m, own[a], own[b]);
        look(a);
    }
    for (;;) {
        int a = 0;
        for (int k = 1; k < n; k++)
            if (saved[k * n + work.best[k]] > saved[a * n + work.best[a]]) a = k;
        const int b = work.best[a];
        if (saved[a * n + b] < m.worth) break;
        own[a] = both_of(f, own[a], own[b]);
        for (int &slot : work.slot)
            if (slot == b) slot = a;
        own[b].bits = 2 * m.most;  // is no partner any more
        for (int k = 0; k < n; k++) {
            if (k < b) saved[k * n + b] = -1;
            else saved[b * n + k] = -1;
            if (k < a) saved[k * n + a] = saved_by(f, m, own[k], own[a]);
            else if (k > a) saved[a * n + k] = saved_by(f, m, own[a], own[k]);
        }
        for (int k = 0; k < n; k++)
            if (k == a || k == b || work.best[k] == a || work.best[k] == b || k < a) look(k);
    }
    for (int k = 0; k < n; k++) leaders[own[k].edge] = own[work.slot[k]].edge;
}

// Of few address bits first, some at a time.
inline void merge(const Factors &f, const Merger &m, Merged &work, int *leaders) {
    std::vector<Candidate> &all = work.candidates;
    std::stable_sort(all.begin(), all.end(),
                     [](const Candidate &a, const Candidate &b) { return a.bits < b.bits; });
    for (size_t start = 0; start < all.size(); start += m.tried)
        merge_some(f, m, &all[start], int(std::min(all.size() - start, size_t(m.tried))), work,
                   leaders);
}
