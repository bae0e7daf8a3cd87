// How a layer reads values: all at once, or in windows that share its edges; and pooling of codes.
// The same as kanhw.quant.fabric.learned.reading and pooling.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace {

enum Pooling { NONE, LARGEST, AVERAGE };

struct Windows {
    int n_in, positions;         // inputs of a window, windows
    int values, channels;        // before the layer
    const int *index;            // [positions][n_in]: values that windows read; -1: padding
    const int *channel;          // [n_in]: of the value that an input reads
    int pool;                    // of the layer's own codes
    int pooled, area;            // values behind the pooling, codes of each
    const int *cells;            // [pooled][area]: places in the image of the sums
};

struct Pooled {
    std::vector<float> image;    // [N][n_out * positions]: shares of ranges
    std::vector<float> shares;   // [N][pooled], where codes are pooled
    std::vector<float> error;    // likewise: what averaging has taken away
    std::vector<float> down;     // [N][n_out * positions]: gradients of the image
};

float whole_codes(float bits) { return std::exp2(std::floor(bits + 0.5f)); }

// Input i of every window of every sample, as a share of a range; what padding reads is arbitrary.
void gather(const Windows &own, int i, const float *values, int samples, float low, float width,
            float *u) {
    if (own.positions == 1 && own.values == own.n_in) {
        for (int n = 0; n < samples; n++)
            u[n] = (values[int64_t(n) * own.values + i] - low) / width;
        return;
    }
    for (int n = 0; n < samples; n++, values += own.values)
        for (int p = 0; p < own.positions; p++) {
            const int at = std::max(own.index[int64_t(p) * own.n_in + i], 0);
            *u++ = (values[at] - low) / width;
        }
}

// Where windows are padding at input i they read the row that holds nothing.
void read_nothing(const Windows &own, int i, int samples, int nothing, int *rows) {
    for (int p = 0; p < own.positions; p++)
        if (own.index[int64_t(p) * own.n_in + i] < 0)
            for (int n = 0; n < samples; n++) rows[int64_t(n) * own.positions + p] = nothing;
}

// Adds what input i moves of every window to the values that it read.
void scatter(const Windows &own, int i, const float *moved, int samples, float *values) {
    for (int n = 0; n < samples; n++, values += own.values)
        for (int p = 0; p < own.positions; p++, moved++) {
            const int at = own.index[int64_t(p) * own.n_in + i];
            if (at >= 0) values[at] += *moved;
        }
}

// Shares that the next layer reads, of sums [N * positions][n_out].
const float *shares_of(const Windows &own, int n_out, const std::vector<float> &sums, int samples,
                       float reach, const float *code_bits, Pooled &work) {
    const int positions = own.positions, size = n_out * positions;
    work.image.resize(sums.size());
    for (int64_t r = 0; r < int64_t(samples) * positions; r++) {
        float *to = &work.image[r / positions * size + r % positions];
        for (int j = 0; j < n_out; j++)
            to[int64_t(j) * positions] = (sums[r * n_out + j] + reach) / (2 * reach);
    }
    if (own.pool == NONE) return work.image.data();
    const int64_t count = int64_t(samples) * own.pooled;
    work.shares.resize(count);
    work.error.resize(count);
    for (int64_t k = 0; k < count; k++) {
        const int at = int(k % own.pooled);
        const float *image = &work.image[k / own.pooled * size];
        const int *cells = own.cells + int64_t(at) * own.area;
        if (own.pool == LARGEST) {
            float most = image[cells[0]];
            for (int c = 1; c < own.area; c++) most = std::max(most, image[cells[c]]);
            work.shares[k] = most;
            continue;
        }
        const float whole = whole_codes(code_bits[at / (own.pooled / n_out)]);
        float codes = 0, mean = 0;
        for (int c = 0; c < own.area; c++) {
            const float u = image[cells[c]];
            codes += std::min(std::max(std::floor(u * whole), 0.0f), whole - 1);
            mean += std::min(std::max(u, 0.0f), 1.0f);
        }
        const float code = std::floor((codes + float(own.area / 2)) / float(own.area));
        work.shares[k] = (code + 0.5f) / whole;
        work.error[k] = mean / float(own.area) - work.shares[k];
    }
    return work.shares.data();
}

// Gradients of sums, of those of shares [N][pooled]; what widths of averaged codes change is added.
void shares_back(const Windows &own, int n_out, const std::vector<float> &shares, int samples,
                 float reach, float ln2, Pooled &work, float *code_bits, std::vector<float> &back) {
    const int positions = own.positions, size = n_out * positions;
    const float *down = shares.data();
    if (own.pool != NONE) {
        work.down.assign(work.image.size(), 0);
        down = work.down.data();
        for (int64_t k = 0; k < int64_t(shares.size()); k++) {
            const int at = int(k % own.pooled);
            const float *image = &work.image[k / own.pooled * size];
            float *to = &work.down[k / own.pooled * size];
            const int *cells = own.cells + int64_t(at) * own.area;
            if (own.pool == LARGEST) {
                int largest = 0;
                for (int c = 0; c < own.area; c++) largest += image[cells[c]] == work.shares[k];
                for (int c = 0; c < own.area; c++)
                    if (image[cells[c]] == work.shares[k]) to[cells[c]] += shares[k] / largest;
                continue;
            }
            code_bits[at / (own.pooled / n_out)] += ln2 * shares[k] * work.error[k];
            for (int c = 0; c < own.area; c++) {
                const float u = image[cells[c]];
                if (u >= 0 && u < 1) to[cells[c]] += shares[k] / own.area;
            }
        }
    }
    for (int64_t r = 0; r < int64_t(samples) * positions; r++) {
        const float *from = down + r / positions * size + r % positions;
        for (int j = 0; j < n_out; j++)
            back[r * n_out + j] = from[int64_t(j) * positions] / (2 * reach);
    }
}

}  // namespace
