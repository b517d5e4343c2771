// swift-tools-version: 6.0
import PackageDescription

// A web app of its own that answers with related items from its own process. scripts/check-example builds it against a tagged clone of this
// checkout; an app elsewhere writes the address it cloned from.
let package = Package(
    name: "ServerEmbedding",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(url: Context.environment["PINSAGEKIT_URL"] ?? "../..", from: "0.1.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
    ],
    targets: [
        .executableTarget(
            name: "ServerEmbedding",
            dependencies: [.product(name: "PinSageKit", package: "PinSageKit"), .product(name: "Hummingbird", package: "hummingbird")],
            path: "Sources")
    ])
