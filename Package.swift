// swift-tools-version: 6.2
// Tools 6.2 is the first at which a package with unsafeFlags may still be a versioned dependency;
// CKernels needs -fopenmp, so an older tools version would make PinSageKit unusable from other packages.
import PackageDescription

// `PINSAGE_DEBUG=1 swift build` compiles PinSageKit without optimisation, for stepping through it.
let optimised: [SwiftSetting] =
    Context.environment["PINSAGE_DEBUG"] == nil
    ? [.unsafeFlags(["-O"], .when(configuration: .debug))]  // a walk loop: 0.46 s in plain debug, 0.08 s so
    : []

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("InternalImportsByDefault"),  // CKernels must not leak into the public API
    .strictMemorySafety(),
]

let package = Package(
    name: "PinSageKit",
    platforms: [.macOS(.v15)],
    products: [
        .library(name: "PinSageKit", targets: ["PinSageKit"]),
        .library(name: "PinSageCatalog", targets: ["PinSageCatalog"]),
        // The C kernels for other languages, which call them as include/*.h says: Integrations/spark does.
        .library(name: "PinSageKernels", type: .dynamic, targets: ["CKernels"]),
        .executable(name: "pinsage-cli", targets: ["pinsage-cli"]),
        .executable(name: "bench", targets: ["bench"]),
    ],
    traits: [
        .default(enabledTraits: ["Server"]),
        .trait(name: "Server", description: "pinsage-cli serve; without it the program builds in half the time"),
        .trait(name: "MPI", description: "pinsage-cli train under mpirun, on several processes or machines; needs libopenmpi-dev"),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        // Without its default traits: settings come from our own flags, and only HummingbirdCore is built.
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
    ],
    targets: [
        .systemLibrary(
            name: "COpenBLAS", pkgConfig: "openblas",
            providers: [.apt(["libopenblas-dev"]), .brew(["openblas"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .target(
            name: "CKernels",
            path: ".",
            sources: ["CKernels"],
            publicHeadersPath: "include",
            // -O3 also in debug builds: nobody steps through a SIMD loop, and tests would crawl without it.
            // Never -fopenmp at link time: the linker would look for a libomp that is not on its path.
            cSettings: [.unsafeFlags(["-fopenmp", "-O3"])],
            // Linked here because a module map's link line is ignored for C files.
            linkerSettings: [
                .linkedLibrary("omp5", .when(platforms: [.linux])),
                .linkedLibrary("openblas", .when(platforms: [.linux])),
            ]),
        .target(
            name: "PinSageKit",
            dependencies: [
                "CKernels", "COpenBLAS", "CZlib",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict + optimised),
        .target(
            name: "PinSageCatalog",
            dependencies: ["PinSageKit", .product(name: "GRDB", package: "GRDB.swift")],
            swiftSettings: strict + optimised),
        // Only with the trait MPI: without it these two are empty and want nothing installed.
        .systemLibrary(name: "COpenMPI", pkgConfig: "ompi-c", providers: [.apt(["libopenmpi-dev"])]),
        .target(
            name: "CPinSageMPI", dependencies: [.target(name: "COpenMPI", condition: .when(traits: ["MPI"]))],
            cSettings: [.define("PINSAGE_WITH_MPI", .when(traits: ["MPI"]))]),
        .target(name: "PinSageMPI", dependencies: ["PinSageKit", "CPinSageMPI"], swiftSettings: strict + optimised),
        .target(
            name: "PinSageServer",
            dependencies: [
                "PinSageKit", "PinSageCatalog",
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "Histogram", package: "hdrhistogram-swift"),
                .product(name: "Logging", package: "swift-log"),
            ],
            resources: [.copy("Resources")],  // the page at / and its openapi.json
            swiftSettings: strict + optimised),
        .executableTarget(
            name: "pinsage-cli",
            dependencies: [
                "PinSageKit", "PinSageCatalog",
                .target(name: "PinSageServer", condition: .when(traits: ["Server"])),
                .target(name: "PinSageMPI", condition: .when(traits: ["MPI"])),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            resources: [.copy("Resources")],  // the demo's data
            swiftSettings: strict),
        .target(name: "KernelReference", swiftSettings: strict + optimised),
        .executableTarget(
            name: "bench",
            dependencies: [
                "CKernels", "KernelReference", "PinSageKit",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            path: "Benchmarks",
            swiftSettings: strict),
        .target(
            name: "PinSageTestSupport", dependencies: ["PinSageKit", "KernelReference"],
            path: "Tests/PinSageTestSupport", swiftSettings: strict),
        .testTarget(
            name: "CKernelsTests", dependencies: ["CKernels", "KernelReference"]),
        .testTarget(
            name: "PinSageKitTests", dependencies: ["PinSageKit", "KernelReference", "PinSageTestSupport"],
            exclude: ["Golden"]),  // files of earlier versions, read where they are
        .testTarget(name: "PinSageCatalogTests", dependencies: ["PinSageCatalog", "PinSageTestSupport"]),
        .testTarget(name: "PinSageServerTests", dependencies: ["PinSageServer", "PinSageTestSupport"]),
        .testTarget(name: "PinSageCLITests", dependencies: ["pinsage-cli", "PinSageTestSupport"]),
    ]
)
