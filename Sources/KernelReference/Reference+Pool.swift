extension Reference {
    /// out[b,:] = sum over t of alpha[t] h[target[t],:]. Shapes: h (N, width); alpha (Z); result (lists.count, width).
    public static func pooled(_ h: [Float], width: Int, lists: ReferenceLists, alpha: [Float]) -> [Double] {
        var out = [Double](repeating: 0, count: lists.count * width)
        for b in 0..<lists.count {
            for t in lists.slots(b) {
                for j in 0..<width { out[b * width + j] += Double(alpha[t]) * Double(h[Int(lists.targets[t]) * width + j]) }
            }
        }
        return out
    }

    /// dh[n,:] = sum over the slots t of n, in list b, of alpha[t] dout[b,:]. Shapes: dout (lists.count, width); result (rows, width).
    public static func pooledBackward(_ dout: [Float], width: Int, lists: ReferenceLists, alpha: [Float], rows: Int) -> [Double] {
        var dh = [Double](repeating: 0, count: rows * width)
        for b in 0..<lists.count {
            for t in lists.slots(b) {
                for j in 0..<width { dh[Int(lists.targets[t]) * width + j] += Double(alpha[t]) * Double(dout[b * width + j]) }
            }
        }
        return dh
    }

    /// dalpha[t] = dout[b,:] . h[target[t],:].
    public static func pooledBackwardAlpha(_ dout: [Float], _ h: [Float], width: Int, lists: ReferenceLists) -> [Double] {
        var dalpha = [Double](repeating: 0, count: lists.targets.count)
        for b in 0..<lists.count {
            for t in lists.slots(b) {
                for j in 0..<width { dalpha[t] += Double(dout[b * width + j]) * Double(h[Int(lists.targets[t]) * width + j]) }
            }
        }
        return dalpha
    }

    /// Element-wise maximum and its slot, ties to the lower slot, NaN above every number; an empty list pools to 0 with slot -1.
    public static func maxPooled(_ h: [Float], width: Int, lists: ReferenceLists) -> (out: [Float], argmax: [Int32]) {
        var out = [Float](repeating: 0, count: lists.count * width)
        var argmax = [Int32](repeating: -1, count: lists.count * width)
        for b in 0..<lists.count {
            for j in 0..<width {
                for t in lists.slots(b) {
                    let value = h[Int(lists.targets[t]) * width + j]
                    let most = out[b * width + j]
                    if argmax[b * width + j] < 0 || value > most || (value.isNaN && !most.isNaN) {
                        out[b * width + j] = value
                        argmax[b * width + j] = Int32(t)
                    }
                }
            }
        }
        return (out, argmax)
    }

    /// dh[target of the winning slot, j] += dout[b,j].
    public static func maxPooledBackward(_ dout: [Float], argmax: [Int32], width: Int, lists: ReferenceLists, rows: Int) -> [Double] {
        var dh = [Double](repeating: 0, count: rows * width)
        for (position, slot) in argmax.enumerated() where slot >= 0 {
            dh[Int(lists.targets[Int(slot)]) * width + position % width] += Double(dout[position])
        }
        return dh
    }

    /// The transposed index: for each of `rows` table rows its slots, ascending, and the list that each is in.
    public static func transposed(_ lists: ReferenceLists, rows: Int) -> (offsets: [Int64], lists: [Int32], slots: [Int64]) {
        var offsets: [Int64] = [0], inLists: [Int32] = [], slots: [Int64] = []
        for row in 0..<rows {
            for b in 0..<lists.count {
                for t in lists.slots(b) where Int(lists.targets[t]) == row {
                    inLists.append(Int32(b))
                    slots.append(Int64(t))
                }
            }
            offsets.append(Int64(slots.count))
        }
        return (offsets, inLists, slots)
    }
}
