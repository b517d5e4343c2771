internal import ArgumentParser

#if Server
    internal import Foundation
    internal import Logging
    internal import PinSageKit
    internal import PinSageServer

    struct ServeCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "serve",
            abstract: "Serve related items over HTTP, with a page to look at them.",
            discussion: """
                Listens on this machine alone unless told otherwise; another --host needs --api-key-file (or --insecure, where something else guards \
                the port). The page is at /, the API is described at /openapi.json. Every option NAME may come from the environment as \
                PINSAGE_NAME instead (PINSAGE_PORT, PINSAGE_API_KEY_FILE, ...). SIGTERM and Ctrl-C finish what has begun and stop.

                Example: pinsage-cli serve --index lists.index --dataset lists.dataset --model lists.model --port 8080
                """)

        @Option(help: ArgumentHelp("The index to search.", valueName: "index"))
        var index: String?

        @Option(help: ArgumentHelp("The dataset that the index was made of.", valueName: "dataset"))
        var dataset: String?

        @Option(help: ArgumentHelp("The model, for free text and new items.", valueName: "model"))
        var model: String?

        @Option(
            help: ArgumentHelp(
                "A map of the index by project2d, for the page (default: the index's path with .map, where there is one).", valueName: "map"))
        var map: String?

        @Option(
            help: ArgumentHelp(
                "The SQLite file that keeps what is put in and taken out over HTTP (default: the index's path with .live.sqlite).", valueName: "file")
        )
        var live: String?

        @Flag(help: "Take no changes over HTTP.")
        var readOnly = false

        @Flag(help: "Copy the index into memory after the start: then no search waits for the disk.")
        var resident = false

        @Option(help: ArgumentHelp("The address to listen on (default: 127.0.0.1).", valueName: "address"))
        var host: String?

        @Option(help: ArgumentHelp("The port to listen on, 0 for any (default: 8080).", valueName: "port"))
        var port: Int?

        @Option(help: ArgumentHelp("A file of API keys: lines of \"read KEY\" or \"write KEY\".", valueName: "file"))
        var apiKeyFile: String?

        @Flag(help: "Listen on other addresses than loopback without keys.")
        var insecure = false

        @Option(help: ArgumentHelp("The most open connections (default: 1024).", valueName: "n"))
        var connections: Int?

        @Option(help: ArgumentHelp("Requests that may wait for slow work before others are answered with 503 (default: 256).", valueName: "n"))
        var waiting: Int?

        @Option(help: ArgumentHelp("Seconds that a request may take to arrive and a connection to be idle (default: 30).", valueName: "seconds"))
        var timeout: Int?

        @Option(help: ArgumentHelp("Append one JSON line for each request to this file, \"-\" for standard error.", valueName: "file"))
        var requestLog: String?

        @OptionGroup var machine: MachineOptions

        /// The option's value, else the environment's.
        private func setting(_ value: String?, _ name: String) -> String? { value ?? ProcessInfo.processInfo.environment["PINSAGE_" + name] }

        private func setting(_ value: Int?, _ name: String) throws -> Int? {
            if let value { return value }
            guard let text = ProcessInfo.processInfo.environment["PINSAGE_" + name] else { return nil }
            guard let number = Int(text) else { throw ValidationError("PINSAGE_\(name) must be a whole number, found \"\(text)\"") }
            return number
        }

        private func options() throws -> ServerOptions {
            var options = ServerOptions()
            if let host = setting(host, "HOST") { options.host = host }
            if let port = try setting(port, "PORT") { options.port = port }
            if let threads = try setting(machine.threads, "THREADS") { options.threads = threads }
            if let connections = try setting(connections, "CONNECTIONS") { options.connections = connections }
            if let waiting = try setting(waiting, "WAITING") { options.waiting = waiting }
            if let timeout = try setting(timeout, "TIMEOUT") { options.timeout = timeout }
            options.keys = try setting(apiKeyFile, "API_KEY_FILE").map { try APIKeys(contentsOf: $0) }
            options.isInsecure = insecure || ProcessInfo.processInfo.environment["PINSAGE_INSECURE"] == "1"
            options.requestLog = setting(requestLog, "REQUEST_LOG")
            try options.validate()
            return options
        }

        func run() async throws {
            guard let index = setting(index, "INDEX"), let dataset = setting(dataset, "DATASET") else {
                throw ValidationError("Missing expected argument '--index <index>' or '--dataset <dataset>'")
            }
            let options = try options()
            LoggingSystem.bootstrap { StreamLogHandler.standardError(label: $0) }
            var logger = Logger(label: "pinsage.serve")
            logger.logLevel = .warning
            var paths = ServedPaths(index: index, dataset: dataset, model: setting(model, "MODEL"))
            paths.map = setting(map, "MAP")
            paths.isResident = resident || ProcessInfo.processInfo.environment["PINSAGE_RESIDENT"] == "1"
            if !readOnly {
                let name = String(index.reversed().drop { $0 == "/" }.reversed())
                paths.live = setting(live, "LIVE") ?? name + ".live.sqlite"
            }
            let service = try RecommendationService(paths: paths, options: options, instructionSet: machine.isa, logger: logger)
            let host = options.host.contains(":") ? "[\(options.host)]" : options.host
            try await PinSageServer.run(options: options, service: service) { port in
                Terminal.error("serving \(index) at http://\(host):\(port)/")
            }
        }
    }

#else

    struct ServeCommand: ParsableCommand {
        static let configuration = CommandConfiguration(commandName: "serve", abstract: "Serve related items over HTTP (not in this build).")

        @Argument(parsing: .captureForPassthrough)
        var arguments: [String] = []

        func run() throws {
            throw ValidationError("This build has no server: `swift build -c release --product pinsage-cli` makes one that has")
        }
    }
#endif
