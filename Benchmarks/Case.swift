import CKernels

/// What bounds a case from below: the machine's rate that its time is measured against.
enum Limit: String, CaseIterable, Codable {
    case read = "stream read"
    case copy = "stream read+write"
    case rows = "random rows"
    case product = "f32 product"
    case productBF16 = "bf16 product"
    case productInt8 = "int8 product"

    /// GFLOP/s instead of GB/s.
    var isCompute: Bool { self == .product || self == .productBF16 || self == .productInt8 }
}

/// How large a case is made: `full` are the sizes of the stated figures, `quick` fits the default run, `twin` is what the naive Swift
/// twin finishes in a fraction of a second.
enum Size { case twin, quick, full }

/// A prepared case: inputs built, outputs allocated, ready for the clock.
@safe struct Workload {
    /// Bytes that one call must move and operations that it must do: counted from the shapes, not measured.
    var bytes: Int
    var flops: Int
    /// How many of the bytes move in order although the case as a whole is bound by random rows.
    var streamed = 0
    var kernel: (inout ps_context) -> ps_status
    /// Copies the inputs for the twin, outside of the clock, and returns what is timed.
    var twin: () -> () -> Void
    /// What the last call counted of its own work; it does not depend on how busy the machine is.
    var counts: () -> [String: Int] = { [:] }
}

/// One benchmark: a stable name, what limits it, and how to build it.
struct Case {
    let family: String
    /// Unique and stable: results of different versions are compared by it.
    let name: String
    let limit: Limit
    /// The shape of the stated size, for the reader.
    let shape: (Size) -> String
    let make: (Size) -> Workload

    init(_ family: String, _ name: String, _ limit: Limit, shape: @escaping (Size) -> String, make: @escaping (Size) -> Workload) {
        self.family = family
        self.name = "\(family)/\(name)"
        self.limit = limit
        self.shape = shape
        self.make = make
    }

    /// Every case, in the order of the report.
    static var all: [Case] { gather + dense + pool + norm + loss + optim + knn }
}
