// SPDX-License-Identifier: Apache-2.0
// Elements of the two streams of the client protocol.

internal import GoferBrokeConfiguration

/// An element of a stream before it is bytes.
package struct ClientItem: Sendable {
    /// The word in the field `event`.
    package var event: String
    /// The other fields.
    package var body: any Encodable & Sendable

    /// Makes an element.
    package init(_ event: String, _ body: any Encodable & Sendable) {
        self.event = event
        self.body = body
    }

    /// The JSON, `event` first.
    package func payload() throws(ClientFailure) -> [UInt8] {
        try ClientJSON.encode(event: self.event, self.body)
    }

    /// A change of a value: `set` or `deleted`.
    package init(_ change: DeltaChange) {
        if let delta = change.delta {
            self.init("set", DeltaAnswer(delta))
        } else {
            let body = KeyAnswer(node: change.participant, group: change.group, key: change.key, generation: change.generation)
            self.init("deleted", body)
        }
    }
}

/// Just the word of an element of a stream, to know what the rest is.
package struct EventWord: Codable, Sendable, Hashable {
    /// The word.
    package var event: String
}

/// An element of `events` but for its word; fields that an event does not have are absent.
package struct EventAnswer: Codable, Sendable, Hashable {
    /// When the answering node said it, RFC 3339.
    package var time: String
    /// Of `snapshot`: the cluster's name.
    package var cluster: String?
    /// Of `snapshot`: the answering node.
    package var selfName: String?
    /// Of `snapshot`: the members, by name.
    package var members: [MemberAnswer]?
    /// The member that it is about.
    package var member: MemberAnswer?
    /// Of `joined`: known members, self included. Of `lagged`: elements that were dropped.
    package var count: Int?
    /// Of `seed_failed`: `HOST:PORT`.
    package var address: String?
    /// Of failures: for programs.
    package var code: String?
    /// Of failures: for people.
    package var message: String?
    /// Of `limit` and `config_refused`: whose data it was, where it is somebody's. Of `accused`: who accuses.
    package var node: String?
    /// Of `config_…`: the key.
    package var key: String?
    /// Of `config_…`: the value in force now.
    package var value: String?
    /// Of `config_…`: the value before, or the one that lost.
    package var before: String?
    /// Of `config_…`: the node that made the change.
    package var writer: String?
    /// Of `config_changed`: whether it counts at once.
    package var live: Bool?
    /// Of `load`: how own changes are admitted.
    package var load: LoadAnswer?
    /// Of `generation`: the greater one.
    package var generation: UInt64?
    /// Of `local_health`: 0 (well) to 8.
    package var health: Int?

    /// Makes an element without fields but the time.
    package init(time: ClientTime) {
        self.time = time.description
    }

    private enum CodingKeys: String, CodingKey {
        case time, cluster
        case selfName = "self"
        case members, member, count, address, code, message, node, key, value, before, writer, live, load, generation, health
    }
}

extension ClientItem {
    /// What happened in the cluster.
    package init(_ event: GossipEvent, cluster: String, selfName: String, at time: ClientTime = .now()) {
        var body = EventAnswer(time: time)
        switch event {
        case .snapshot(let members):
            body.cluster = cluster
            body.selfName = selfName
            body.members = MembersAnswer(cluster: cluster, selfName: selfName, members: members).members
        case .memberJoined(let member), .memberRestarted(let member), .memberUpdated(let member), .memberSuspected(let member),
            .memberAlive(let member), .memberDied(let member), .memberLeft(let member), .memberForgotten(let member):
            body.member = MemberAnswer(member)
        case .joined(let count), .lagged(let count):
            body.count = count
        case .seedFailed(let endpoint, let error):
            body.address = endpoint.description
            body.fill(error)
        case .limitReached(let error, let participant):
            body.node = participant
            body.fill(error)
        case .load(let load):
            body.load = LoadAnswer(load)
        case .generationChanged(let generation):
            body.generation = generation
        case .accused(let accuser):
            body.node = accuser
        case .localHealthChanged(let health):
            body.health = health
        case .configurationChanged, .configurationSuperseded, .configurationRefused:
            body.fill(configuration: event)
        }
        self.init(ClientItem.word(event), body)
    }

    private static func word(_ event: GossipEvent) -> String {
        switch event {
        case .snapshot: return "snapshot"
        case .joined: return "joined"
        case .seedFailed: return "seed_failed"
        case .memberJoined: return "member_joined"
        case .memberRestarted: return "member_restarted"
        case .memberUpdated: return "member_updated"
        case .memberSuspected: return "member_suspect"
        case .memberAlive: return "member_alive"
        case .memberDied: return "member_dead"
        case .accused: return "accused"
        case .localHealthChanged: return "local_health"
        case .memberLeft: return "member_left"
        case .memberForgotten: return "member_forgotten"
        case .configurationChanged: return "config_changed"
        case .configurationSuperseded: return "config_superseded"
        case .configurationRefused: return "config_refused"
        case .load: return "load"
        case .limitReached: return "limit"
        case .generationChanged: return "generation"
        case .lagged: return "lagged"
        }
    }
}

extension EventAnswer {
    fileprivate mutating func fill(_ error: GoferBrokeError) {
        let failure = ClientFailure(error)
        self.code = failure.code.rawValue
        self.message = failure.message
    }

    fileprivate mutating func fill(configuration event: GossipEvent) {
        switch event {
        case .configurationChanged(let change):
            self.key = change.key
            self.value = change.newText
            self.before = change.oldText
            self.writer = change.stamp?.writer
            self.live = change.isLive
        case .configurationSuperseded(let key, let lost, let winner):
            self.key = key
            self.value = winner.text
            self.before = lost.text
            self.writer = winner.stamp.writer
        case .configurationRefused(let key, let publisher, let reason):
            self.key = key
            self.node = publisher
            self.message = reason
        default:
            break
        }
    }
}
