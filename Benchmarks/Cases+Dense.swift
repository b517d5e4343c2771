import CKernels
import KernelReference

extension Case {
    private static func layer(_ size: Size) -> (B: Int, D: Int, E: Int) {
        switch size {
        case .twin: (64, 256, 256)
        case .quick: (2048, 1024, 1024)
        case .full: (8192, 1024, 1024)
        }
    }
    private static func layerShape(_ size: Size) -> String { "\(layer(size).B) x \(layer(size).D) -> \(layer(size).E)" }

    static var dense: [Case] {
        [
            // BLAS on its own threads: what the layers are compared with. Its kernels are BLAS's choice, so it is the same on every instruction set.
            Case("dense", "bare_sgemm_f32", .product, shape: layerShape) { size in
                let (B, D, E) = layer(size)
                var random = Generator(10)
                let x = random.floats(B * D), weight = random.floats(E * D), y = Buffer<Float>(B * E)
                return unsafe Workload(bytes: (B * D + E * D + B * E) * 4, flops: 2 * B * D * E) { context in
                    unsafe ps_probe_sgemm_f32(&context, x.pointer, weight.pointer, Int64(B), Int64(E), Int64(D), y.pointer)
                } twin: {
                    let x = x.array, weight = weight.array
                    return {
                        _ = Reference.product(x, weight, transposingSecond: true, m: B, n: E, k: D)
                    }
                }
            },
            Case("dense", "matmul_f32", .product, shape: layerShape) { size in
                let (B, D, E) = layer(size)
                var random = Generator(10)
                let x = random.floats(B * D), weight = random.floats(E * D), y = Buffer<Float>(B * E)
                return unsafe Workload(bytes: (B * D + E * D + B * E) * 4, flops: 2 * B * D * E) { context in
                    unsafe ps_matmul_f32(
                        &context, x.pointer, Int64(D), 0, weight.pointer, Int64(D), 1, Int64(B), Int64(E), Int64(D), 1, 0, y.pointer, Int64(E))
                } twin: {
                    let x = x.array, weight = weight.array
                    return {
                        _ = Reference.product(x, weight, transposingSecond: true, m: B, n: E, k: D)
                    }
                }
            },
            Case("dense", "forward_bias_relu_f32", .product, shape: layerShape) { size in
                let (B, D, E) = layer(size)
                var random = Generator(11)
                let x = random.floats(B * D), weight = random.floats(E * D), bias = random.floats(E), y = Buffer<Float>(B * E)
                return unsafe Workload(bytes: (B * D + E * D + B * E) * 4, flops: 2 * B * D * E) { context in
                    unsafe ps_dense_forward_f32(
                        &context, x.pointer, Int64(D), nil, 0, weight.pointer, bias.pointer, Int64(B), Int64(D), 0, Int64(E), PS_ACTIVATION_RELU,
                        y.pointer)
                } twin: {
                    let x = x.array, weight = weight.array, bias = bias.array
                    return {
                        _ = Reference.dense(x, [], weight: weight, bias: bias, rows: B, d1: D, d2: 0, outputs: E, relu: true)
                    }
                }
            },
            Case("dense", "forward_bias_relu_bf16", .productBF16, shape: layerShape) { size in
                let (B, D, E) = layer(size)
                var random = Generator(14)
                let x = Buffer<UInt16>(B * D) { _ in Reference.bfloat16Bits(random.float()) }
                let weight = Buffer<UInt16>(E * D) { _ in Reference.bfloat16Bits(random.float()) }
                let bias = random.floats(E), y = Buffer<Float>(B * E)
                return unsafe Workload(bytes: (B * D + E * D) * 2 + B * E * 4, flops: 2 * B * D * E) { context in
                    unsafe ps_dense_forward_bf16(
                        &context, x.pointer, Int64(D), weight.pointer, bias.pointer, Int64(B), Int64(D), Int64(E), PS_ACTIVATION_RELU, y.pointer)
                } twin: {
                    let x = x.array.map(Reference.bfloat16), weight = weight.array.map(Reference.bfloat16), bias = bias.array
                    return {
                        _ = Reference.dense(
                            x, [], weight: weight, bias: bias, rows: B, d1: D, d2: 0,
                            outputs: E, relu: true)
                    }
                }
            },
            Case("dense", "forward_two_inputs_f32", .product, shape: layerShape) { size in
                let (B, D, E) = layer(size), half = D / 2
                var random = Generator(12)
                let x1 = random.floats(B * half), x2 = random.floats(B * half), weight = random.floats(E * D), bias = random.floats(E)
                let y = Buffer<Float>(B * E)
                return unsafe Workload(bytes: (B * D + E * D + B * E) * 4, flops: 2 * B * D * E) { context in
                    unsafe ps_dense_forward_f32(
                        &context, x1.pointer, Int64(half), x2.pointer, Int64(half), weight.pointer, bias.pointer, Int64(B), Int64(half),
                        Int64(half), Int64(E), PS_ACTIVATION_RELU, y.pointer)
                } twin: {
                    let x1 = x1.array, x2 = x2.array, weight = weight.array, bias = bias.array
                    return {
                        _ = Reference.dense(
                            x1, x2, weight: weight, bias: bias, rows: B, d1: half, d2: half, outputs: E, relu: true)
                    }
                }
            },
            Case("dense", "backward_f32", .product, shape: layerShape) { size in
                let (B, D, E) = layer(size)
                var random = Generator(13)
                let x = random.floats(B * D), weight = random.floats(E * D), y = random.floats(B * E), dy = random.floats(B * E)
                let dweight = Buffer<Float>(E * D), dbias = Buffer<Float>(E), dx = Buffer<Float>(B * D)
                return unsafe Workload(bytes: (2 * B * D + 2 * E * D + 2 * B * E) * 4, flops: 4 * B * D * E) { context in
                    unsafe ps_dense_backward_f32(
                        &context, x.pointer, Int64(D), nil, 0, weight.pointer, y.pointer, Int64(B), Int64(D), 0, Int64(E), PS_ACTIVATION_RELU, 0, 0,
                        dy.pointer, dweight.pointer, dbias.pointer, dx.pointer, Int64(D), nil, 0)
                } twin: {
                    let x = x.array, weight = weight.array, y = y.array, dy = dy.array
                    return {
                        _ = Reference.denseBackward(
                            x, [], weight: weight, y: y, dy: dy, rows: B, d1: D, d2: 0, outputs: E, relu: true)
                    }
                }
            },
        ]
    }

    private static func matrix(_ size: Size) -> Int { size == .twin ? 2_000 : size == .quick ? 131_072 : 524_288 }

    static var norm: [Case] {
        [
            Case("norm", "l2_f32", .copy, shape: { "\(matrix($0)) x 256" }) { size in
                let B = matrix(size)
                var random = Generator(20)
                let x = random.floats(B * 256), y = Buffer<Float>(B * 256), norms = Buffer<Float>(B)
                return unsafe Workload(bytes: B * 2048, flops: B * 768) { context in
                    unsafe ps_norm_l2_forward_f32(&context, x.pointer, 256, Int64(B), 256, y.pointer, 256, norms.pointer)
                } twin: {
                    let x = x.array
                    return {
                        _ = Reference.normalized(x, rows: B, width: 256)
                    }
                }
            },
            Case("norm", "l2_backward_f32", .copy, shape: { "\(matrix($0)) x 256" }) { size in
                let B = matrix(size)
                var random = Generator(21)
                let y = random.floats(B * 256), dy = random.floats(B * 256), dx = Buffer<Float>(B * 256), norms = Buffer<Float>(B) { _ in 1 }
                return unsafe Workload(bytes: B * 3072, flops: B * 1024) { context in
                    unsafe ps_norm_l2_backward_f32(&context, y.pointer, dy.pointer, norms.pointer, Int64(B), 256, dx.pointer)
                } twin: {
                    let y = y.array, dy = dy.array, norms = norms.array
                    return {
                        _ = Reference.normalizedBackward(y: y, dy: dy, norms: norms, width: 256)
                    }
                }
            },
        ]
    }

    private static func scores(_ size: Size) -> (P: Int, M: Int) { size == .twin ? (200, 500) : (size == .quick ? 32_768 : 131_072, 500) }
    private static func scoresShape(_ size: Size) -> String { "\(scores(size).P) pairs x 500 negatives" }

    static var loss: [Case] {
        [
            Case("loss", "max_margin_f32", .copy, shape: scoresShape) { size in
                let (P, M) = scores(size)
                var random = Generator(30)
                let positive = random.floats(P), shared = random.floats(P * M), losses = Buffer<Float>(P)
                return unsafe Workload(bytes: P * M * 8, flops: P * M * 2) { context in
                    unsafe ps_loss_max_margin_f32(
                        &context, Int64(P), Int64(M), 0.1, 1, 1, positive.pointer, shared.pointer, nil, nil, losses.pointer)
                } twin: {
                    let positive = positive.array, shared = shared.array
                    return {
                        _ = Reference.maxMargin(
                            .init(positive: positive, shared: shared, hard: [], hardOffsets: []), margin: 0.1, weightShared: 1, weightHard: 1)
                    }
                }
            },
            Case("loss", "sampled_softmax_f32", .copy, shape: scoresShape) { size in
                let (P, M) = scores(size)
                var random = Generator(31)
                let positive = random.floats(P), shared = random.floats(P * M), losses = Buffer<Float>(P)
                return unsafe Workload(bytes: P * M * 8, flops: P * M * 24) { context in
                    unsafe ps_loss_sampled_softmax_f32(
                        &context, Int64(P), Int64(M), 0.1, 1, nil, positive.pointer, shared.pointer, nil, nil, losses.pointer)
                } twin: {
                    let positive = positive.array, shared = shared.array
                    return {
                        _ = Reference.sampledSoftmax(
                            .init(positive: positive, shared: shared, hard: [], hardOffsets: []), temperature: 0.1, weight: 1, logQ: [])
                    }
                }
            },
        ]
    }

    private static func parameters(_ size: Size) -> Int { size == .twin ? 200_000 : size == .quick ? 16 << 20 : 64 << 20 }

    static var optim: [Case] {
        [
            Case("optim", "sgd_momentum_f32", .copy, shape: { "\(parameters($0)) parameters" }) { size in
                let count = parameters(size)
                var random = Generator(40)
                let gradient = random.floats(count), w = random.floats(count), velocity = Buffer<Float>(count)
                return unsafe Workload(bytes: count * 20, flops: count * 6) { context in
                    unsafe ps_optim_sgd_f32(&context, gradient.pointer, Int64(count), 1e-3, 0.9, 1e-4, w.pointer, velocity.pointer)
                } twin: {
                    let gradient = gradient.array, w = w.array, velocity = velocity.array
                    return {
                        _ = Reference.sgd(gradient, w: w, velocity: velocity, rate: 1e-3, momentum: 0.9, decay: 1e-4)
                    }
                }
            },
            Case("optim", "adam_f32", .copy, shape: { "\(parameters($0)) parameters" }) { size in
                let count = parameters(size)
                var random = Generator(41)
                let gradient = random.floats(count), w = random.floats(count), m = Buffer<Float>(count), v = Buffer<Float>(count)
                return unsafe Workload(bytes: count * 28, flops: count * 14) { context in
                    unsafe ps_optim_adam_f32(
                        &context, gradient.pointer, Int64(count), 10, 1e-3, 0.9, 0.999, 1e-8, 0, w.pointer, m.pointer, v.pointer)
                } twin: {
                    let gradient = gradient.array, w = w.array, m = m.array, v = v.array
                    return {
                        _ = Reference.adam(
                            gradient, w: w, m: m, v: v, step: 10, rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0)
                    }
                }
            },
            Case("optim", "adagrad_f32", .copy, shape: { "\(parameters($0)) parameters" }) { size in
                let count = parameters(size)
                var random = Generator(42)
                let gradient = random.floats(count), w = random.floats(count), v = Buffer<Float>(count)
                return unsafe Workload(bytes: count * 20, flops: count * 7) { context in
                    unsafe ps_optim_adagrad_f32(&context, gradient.pointer, Int64(count), 1e-3, 1e-8, 0, w.pointer, v.pointer)
                } twin: {
                    let gradient = gradient.array, w = w.array, v = v.array
                    return {
                        _ = Reference.adagrad(gradient, w: w, v: v, rate: 1e-3, epsilon: 1e-8, decay: 0)
                    }
                }
            },
        ]
    }
}
