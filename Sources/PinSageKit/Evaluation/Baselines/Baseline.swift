/// A method that a trained model is judged against, as `--baseline` names it.
///
/// A name may carry options: its first one as a number (`rp3beta=0.7`, `ease=100`), or several by name (`ials=unobserved=0.02:factors=128`).
public struct Baseline: Sendable, Hashable, CustomStringConvertible {
    /// The methods there are.
    public enum Kind: String, CaseIterable, Sendable {
        case popularity, content, pixie, pagerank, pooled
        case pooledQuery = "pooled-query"
        case itemcf, rp3beta, ease, bpr, ials, lightgcn
    }

    /// A number that a method has.
    public struct Option: Sendable {
        public let name: String
        /// What it is, in words.
        public let meaning: String
        /// The value unless one is given.
        public let standard: Double
        public let range: ClosedRange<Double>
        public let isWhole: Bool

        init(_ name: String, _ meaning: String, _ standard: Double, _ range: ClosedRange<Double>, isWhole: Bool = false) {
            self.name = name
            self.meaning = meaning
            self.standard = standard
            self.range = range
            self.isWhole = isWhole
        }
    }

    public let kind: Kind
    /// The options that were given, by name.
    public let given: [String: Double]

    /// - Parameters:
    ///   - parameter: the method's first option.
    ///   - others: more of its options by name.
    public init(_ kind: Kind, parameter: Double? = nil, others: [String: Double] = [:]) {
        self.kind = kind
        var given = others
        if let parameter, let first = kind.options.first { given[first.name] = parameter }
        self.given = given
    }

    /// - Throws: ``DataError`` that lists the names there are, or for an option that is unknown or out of range.
    public init(parsing text: String) throws {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard let name = parts.first, let kind = Kind(rawValue: String(name)) else {
            throw DataError("no baseline \"\(text)\"; there are \(Kind.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        guard parts.count == 2 else {
            self.init(kind)
            return
        }
        guard let first = kind.options.first else { throw DataError("the baseline \(kind.rawValue) has no parameter, found \"\(text)\"") }
        var given: [String: Double] = [:]
        for part in parts[1].split(separator: ":", omittingEmptySubsequences: false) {
            let sides = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let key = sides.count == 2 ? String(sides[0]) : first.name
            guard let option = kind.options.first(where: { $0.name == key }) else {
                let known = kind.options.map(\.name).joined(separator: ", ")
                throw DataError("the baseline \(kind.rawValue) has no option \"\(key)\"; it has \(known)")
            }
            guard let text = sides.last, let value = Double(text), option.range.contains(value), !option.isWhole || value == value.rounded() else {
                throw DataError(
                    "\(option.name) of \(kind.rawValue) is \(option.meaning): expected \(option.isWhole ? "a whole number " : "")"
                        + "\(NumberText.tick(option.range.lowerBound)) to \(NumberText.tick(option.range.upperBound)), found \"\(sides.last ?? "")\"")
            }
            guard given.updateValue(value, forKey: key) == nil else { throw DataError("\(key) of \(kind.rawValue) is given twice") }
        }
        self.init(kind, others: given)
    }

    /// The method's first option where it was given; ``Kind/standardParameter`` counts otherwise.
    public var parameter: Double? { kind.options.first.flatMap { given[$0.name] } }

    /// The value that counts.
    public var effectiveParameter: Double? { parameter ?? kind.standardParameter }

    /// The value of an option that the method has.
    func value(_ name: String) -> Double {
        given[name] ?? kind.options.first { $0.name == name }?.standard ?? 0
    }

    /// The same method with another value of its first option.
    func with(parameter: Double) -> Baseline { Baseline(kind, parameter: parameter, others: given) }

    /// As it is written: `ease=100`, or the name alone.
    public var description: String {
        let parts = kind.options.enumerated().compactMap { index, option in
            given[option.name].map { (index == 0 ? "" : option.name + "=") + Self.text(of: $0) }
        }
        return parts.isEmpty ? kind.rawValue : kind.rawValue + "=" + parts.joined(separator: ":")
    }

    private static func text(of value: Double) -> String {
        let short = NumberText.tick(value)
        return Double(short) == value ? short : value == value.rounded() && abs(value) < 1e15 ? "\(Int(value))" : "\(value)"
    }
}

extension Baseline.Kind {
    /// What can be set, the parameter that validation chooses first; empty for methods without any.
    public var options: [Baseline.Option] {
        typealias Option = Baseline.Option
        func size(_ factors: Int, _ epochs: Int) -> [Option] {
            [
                Option("factors", "the width of its vectors", Double(factors), 1...1024, isWhole: true),
                Option("epochs", "how often it sees the memberships", Double(epochs), 1...10_000, isWhole: true),
            ]
        }
        // As people write it: the nearest Double of 0.0025 as a Float has 17 digits.
        func decimal(_ value: Float) -> Double { Double("\(value)") ?? Double(value) }
        var options: [Option] = []
        switch self {
        case .popularity, .content, .itemcf: break
        case .pixie: options.append(Option("steps", "the steps of a query's walks", 100_000, 1...1_000_000_000, isWhole: true))
        case .pagerank: options.append(Option("damping", "the factor from one hop to the next, over 3 hops", 0.5, 0...1))
        case .pooled, .pooledQuery: options.append(Option("weight", "the weight of the pooled neighbors beside the item itself", 1, 0...1000))
        case .rp3beta: options.append(Option("beta", "the power of popularity that is divided by", 0.5, 0...2))
        case .ease: options.append(Option("lambda", "the L2 penalty", 300, 1e-3...1e7))
        case .bpr:
            let own = BPRFactors.Configuration()
            options.append(Option("regularization", "the L2 penalty of a step", decimal(own.regularization), 0...10))
            options += size(own.factors, own.epochs)
            options.append(Option("rate", "the learning rate", decimal(own.learningRate), 1e-6...10))
        case .ials:
            let own = ImplicitALS.Configuration()
            options.append(Option("unobserved", "the weight of pairs that are no memberships", decimal(own.unobserved), 1e-6...100))
            options += size(own.factors, own.epochs)
            options.append(Option("regularization", "the L2 penalty", decimal(own.regularization), 1e-7...1000))
            options.append(Option("exponent", "how the penalty grows with the degree", decimal(own.exponent), 0...1))
        case .lightgcn:
            let own = LightGCN.Configuration()
            options.append(Option("regularization", "the L2 penalty", decimal(own.regularization), 0...10))
            options += size(own.factors, own.epochs)
            options.append(Option("layers", "how often vectors are smoothed over the graph", Double(own.layers), 0...10, isWhole: true))
            options.append(Option("rate", "the learning rate of 1024 triples", decimal(own.learningRate), 1e-6...10))
            options.append(
                Option(
                    "steps", "the most steps of an epoch; each smooths the whole graph", Double(own.mostStepsPerEpoch), 1...1_000_000, isWhole: true))
        }
        return options
    }

    /// The value of the first option unless one is given; `nil` for methods without any.
    public var standardParameter: Double? { options.first?.standard }

    /// What the first option is, in words.
    public var parameterMeaning: String { options.first?.meaning ?? "none" }

    var parameterRange: ClosedRange<Double>? { options.first?.range }

    /// The values that `tuned` tries.
    public var grid: [Double] {
        switch self {
        case .popularity, .content, .itemcf, .pixie: []
        case .pagerank: [0.25, 0.5, 0.75]
        case .pooled, .pooledQuery: [0.25, 0.5, 1, 2, 4]
        case .rp3beta: [0, 0.25, 0.5, 0.75, 1]
        case .ease: [30, 100, 300, 1000]
        case .bpr: [0.0025, 0.01, 0.03]
        case .ials: [0.01, 0.03, 0.1, 0.3]
        case .lightgcn: [1e-5, 1e-4, 1e-3]
        }
    }

    /// Whether it looks at the items' features.
    public var needsFeatures: Bool { self == .content || self == .pooled || self == .pooledQuery }

    /// One line for help and reports.
    public var summary: String {
        switch self {
        case .popularity: "number of collections, whatever is asked"
        case .content: "cosine of the items' features"
        case .pixie: "visit shares of random walks with restart"
        case .pagerank: "exact Personalized PageRank over 3 hops"
        case .pooled: "own plus importance-pooled neighbor features, untrained, on both sides"
        case .pooledQuery: "the same for the query against the candidates' own features (new items have no neighbors)"
        case .itemcf: "cosine of co-occurrence"
        case .rp3beta: "two-step walk, divided by popularity^beta"
        case .ease: "closed-form linear item model, for up to \(EASEScorer.mostItems) items"
        case .bpr: "matrix factorization by pairwise ranking; items are asked by cosine"
        case .ials: "matrix factorization by alternating least squares; items are asked by cosine"
        case .lightgcn: "graph-smoothed id vectors by pairwise ranking; items are asked by cosine"
        }
    }
}
