// SPDX-License-Identifier: Apache-2.0
// Events of the C core as Swift values: everything is copied, nothing lent.

internal import CGoferBroke
package import GoferBrokeConfiguration
package import GoferBrokeMembership

/// Why the core tells of a member.
package enum MemberNews: Sendable {
    case joined, restarted, updated, status, forgotten
}

/// A delta of the map that changed; `delta` is nil where it was deleted.
package struct DeltaNews: Sendable {
    package var participant: String
    package var generation: UInt64
    package var lane: DeltaLane
    package var group: DeltaLabel
    package var key: DeltaLabel
    /// Of the value, or of the one that is gone; 0 while an own change waits for its version.
    package var version: UInt64
    package var delta: Delta?
}

/// What the core tells its host.
package enum NodeEvent: Sendable {
    case joined(memberCount: Int)
    case seedFailed(Endpoint, GoferBrokeError)
    case stopped(GoferBrokeError)
    case left
    case generation(UInt64)
    case member(Member, MemberNews, time: UInt64)
    case delta(DeltaNews)
    case lagged(Int)
    case load(GossipLoad)
    case limit(GoferBrokeError, participant: String?)
    case exchange(peer: String, duration: Duration, laneCount: Int)
    case fact(DetectorInput, time: UInt64)
    case client(ClientInput)
}

/// Who says which deltas are of interest.
package protocol DeltaWatcher: AnyObject {
    /// Whether anybody wants this delta: its value is only copied then.
    func isWatched(lane: DeltaLane, group: DeltaLabel, key: DeltaLabel) -> Bool
}

/// Who takes the events, on the node's queue.
protocol NodeEventSink: DeltaWatcher, Sendable {
    /// Takes one event. Must not block.
    func handle(_ event: NodeEvent)
}

extension NodeEvent {
    /// A copy of an event; nil for kinds that are not known here and deltas that nobody wants.
    init?(_ event: gb_event, watcher: any DeltaWatcher) {
        let name = event.name.text
        switch Int(event.kind) {
        case GB_EVENT_JOINED:
            self = .joined(memberCount: Int(clamping: event.count))
        case GB_EVENT_SEED_FAILED:
            let seed = Endpoint(host: event.host.text, port: event.port)
            self = .seedFailed(seed, GoferBrokeError(code: event.code, operation: "join through \(seed)", reason: event.text.text))
        case GB_EVENT_REJECTED:
            self = .stopped(GoferBrokeError(code: event.code, operation: "join the cluster", reason: event.text.text))
        case GB_EVENT_REPLACED:
            self = .stopped(GoferBrokeError(GB_EREPLACED, operation: "stay in the cluster", reason: event.text.text))
        case GB_EVENT_LEFT:
            self = .left
        case GB_EVENT_GENERATION:
            self = .generation(event.generation)
        case GB_EVENT_MEMBER:
            let news: MemberNews
            switch Int(event.change) {
            case GB_CHANGE_RESTARTED: news = .restarted
            case GB_CHANGE_UPDATED: news = .updated
            case GB_CHANGE_STATUS: news = .status
            case GB_CHANGE_FORGOTTEN: news = .forgotten
            default: news = .joined
            }
            self = .member(Member(event), news, time: event.time_us)
        case GB_EVENT_DELTA:
            guard let news = DeltaNews(event, participant: name, watcher: watcher) else { return nil }
            self = .delta(news)
        case GB_EVENT_LAGGED:
            self = .lagged(Int(clamping: event.count))
        case GB_EVENT_PACING:
            self = .load(
                GossipLoad(
                    isPacing: event.flags & 1 != 0,
                    tau: event.tau_micro,
                    rho: event.rho_micro,
                    pendingCount: Int(clamping: event.count)
                )
            )
        case GB_EVENT_LIMIT:
            let error = GoferBrokeError(code: event.code, operation: name.isEmpty ? "" : "take over \(name)", reason: event.text.text)
            self = .limit(error, participant: name.isEmpty ? nil : name)
        case GB_EVENT_EXCHANGE:
            self = .exchange(
                peer: name,
                duration: .microseconds(Int64(clamping: event.duration_us)),
                laneCount: Int(clamping: event.count)
            )
        case GB_EVENT_CLIENT_REQUEST:
            let request = ClientRequest(link: event.link, requestID: event.request_id, payload: event.payload.bytes)
            self = .client(.request(request))
        case GB_EVENT_CLIENT_CANCEL:
            self = .client(.cancel(link: event.link, requestID: event.request_id))
        case GB_EVENT_CLIENT_CLOSED:
            self = .client(.closed(link: event.link))
        default:
            guard let input = DetectorInput(event, name: name) else { return nil }
            self = .fact(input, time: event.time_us)
        }
    }
}

extension GossipLoad {
    /// Rates are in millionths of an update per second.
    init(isPacing: Bool, tau: UInt64, rho: UInt64, pendingCount: Int) {
        self.init()
        self.isPacing = isPacing
        self.admittedRate = Double(tau) / 1_000_000
        self.offeredRate = Double(rho) / 1_000_000
        self.pendingCount = pendingCount
    }
}

extension Member {
    init(_ event: gb_event) {
        self.init(
            name: event.name.text,
            generation: event.generation,
            incarnation: event.incarnation,
            status: Status(rawValue: event.status) ?? .alive,
            address: Endpoint(host: event.host, port: event.port),
            flags: event.flags
        )
    }

    init(_ member: gb_member) {
        self.init(
            name: member.name.text,
            generation: member.generation,
            incarnation: member.incarnation,
            status: Status(rawValue: member.status) ?? .alive,
            address: Endpoint(host: member.host, port: member.port),
            flags: member.flags
        )
        self.accuserCount = Int(member.accusers)
    }

    private init(name: String, generation: UInt64, incarnation: UInt64, status: Status, address: Endpoint?, flags: UInt32) {
        self.init(
            name: name,
            generation: generation,
            incarnation: incarnation,
            status: status,
            address: address,
            links: flags & GB_MEMBER_IS_LINKED != 0 ? 1 : 0,
            isSelf: flags & GB_MEMBER_IS_SELF != 0,
            hasDetector: flags & GB_MEMBER_HAS_DETECTOR != 0,
            isDiallable: flags & GB_MEMBER_IS_DIALLABLE != 0
        )
    }
}

extension DeltaNews {
    init?(_ event: gb_event, participant: String, watcher: any DeltaWatcher) {
        guard let lane = DeltaLane(rawValue: event.lane), let subject = event.record ?? event.before else { return nil }
        var view = gb_delta()
        gb_record_view(subject, &view)
        let group = DeltaLabel(bytes: view.group.bytes)
        let key = DeltaLabel(bytes: view.key.bytes)
        guard watcher.isWatched(lane: lane, group: group, key: key) else { return nil }
        self.init(participant: participant, generation: event.generation, lane: lane, group: group, key: key, version: view.version)
        if event.record != nil, view.type != GB_VALUE_TOMBSTONE {
            self.delta = Delta(view, participant: participant, generation: event.generation, lane: lane)
        }
    }
}

extension Delta {
    init(_ view: gb_delta, participant: String, generation: UInt64, lane: DeltaLane) {
        self.init(
            participant: participant,
            generation: generation,
            lane: lane,
            group: DeltaLabel(bytes: view.group.bytes),
            key: DeltaLabel(bytes: view.key.bytes),
            version: view.version,
            type: DeltaValueType(rawValue: view.type),
            bytes: view.value.bytes,
            timeToLive: view.ttl_ms == 0 ? nil : .milliseconds(Int64(clamping: view.ttl_ms))
        )
    }
}

// MARK: The detector's facts and actions

extension DetectorInput {
    /// Nil for kinds that are no facts.
    init?(_ event: gb_event, name: String) {
        switch Int(event.kind) {
        case GB_EVENT_LINK_OPENED:
            self = .linkOpened(name: name, generation: event.generation)
        case GB_EVENT_LINK_CLOSED:
            self = .linkClosed(name: name, generation: event.generation, cause: LinkCloseCause(cause: event.cause))
        case GB_EVENT_HEARTBEAT:
            let roundTrip = event.duration_us == 0 ? nil : Duration.microseconds(Int64(clamping: event.duration_us))
            self = .heartbeat(name: name, generation: event.generation, roundTrip: roundTrip)
        case GB_EVENT_ACTIVITY:
            self = .activity(name: name, generation: event.generation)
        case GB_EVENT_PROBE_RESULT:
            self = .probeResult(
                target: name,
                generation: event.generation,
                helper: event.accuser.len == 0 ? nil : event.accuser.text,
                outcome: ProbeOutcome(event),
                duration: event.duration_us == 0 ? nil : .microseconds(Int64(clamping: event.duration_us))
            )
        case GB_EVENT_ACCUSATION:
            self = .accusation(
                Accusation(
                    accuser: event.accuser.text,
                    accuserGeneration: event.accuser_generation,
                    target: name,
                    generation: event.generation,
                    incarnation: event.incarnation,
                    reason: AccusationReason(wire: event.reason),
                    hasVerdict: event.flags & GB_ACCUSE_VERDICT != 0
                )
            )
        case GB_EVENT_RETRACTION:
            self = .retraction(accuser: event.accuser.text, target: name)
        case GB_EVENT_SELF_ACCUSED:
            self = .selfAccused(by: event.accuser.text)
        case GB_EVENT_TICK:
            self = .tick
        default:
            return nil
        }
    }
}

extension AccusationReason {
    /// A reason of a later version counts for what needs no proof and asks for none.
    init(wire: UInt8) {
        switch Int(wire) {
        case GB_ACCUSE_SILENT: self = .silent
        case GB_ACCUSE_CRASHED: self = .crashed
        case GB_ACCUSE_LINK_LOST: self = .linkLost
        default: self = .unreachable
        }
    }

    var wire: Int {
        switch self {
        case .silent: return GB_ACCUSE_SILENT
        case .crashed: return GB_ACCUSE_CRASHED
        case .linkLost: return GB_ACCUSE_LINK_LOST
        case .unreachable: return GB_ACCUSE_UNREACHABLE
        }
    }
}

extension Accusation {
    /// What stands in an accuser's membership lane: the accused is the key. Nil where it is retracted or no accusation.
    init?(_ delta: Delta) {
        guard let target = delta.key.string else { return nil }
        var accusation = gb_accusation()
        let err = delta.bytes.withUnsafeBufferPointer {
            gb_accusation_decode(gb_slice(base: $0.baseAddress, len: $0.count), &accusation)
        }
        guard err == GB_OK, Int(accusation.reason) != GB_ACCUSE_RETRACTED else { return nil }
        self.init(
            accuser: delta.participant,
            accuserGeneration: delta.generation,
            target: target,
            generation: accusation.generation,
            incarnation: accusation.incarnation,
            reason: AccusationReason(wire: accusation.reason),
            hasVerdict: UInt32(accusation.flags) & UInt32(GB_ACCUSE_VERDICT) != 0
        )
    }
}

extension LinkCloseCause {
    init(cause: UInt8) {
        switch Int(cause) {
        case GB_CLOSE_ENDED: self = .ended
        case GB_CLOSE_RESET: self = .reset
        case GB_CLOSE_REPLACED: self = .replaced
        // A peer that breaks the protocol is cut off by us, and one that said good-bye agreed: neither is suspicious.
        case GB_CLOSE_BY_US, GB_CLOSE_PROTOCOL, GB_CLOSE_BYE: self = .closedByUs
        default: self = .timedOut
        }
    }
}

extension ProbeOutcome {
    init(_ event: gb_event) {
        switch Int(event.outcome) {
        case GB_PROBE_ANSWERED: self = .answered
        case GB_PROBE_REFUSED: self = .refused
        case GB_PROBE_OTHER_IDENTITY: self = .otherIdentity
        case GB_PROBE_NEWER_GENERATION: self = .newerGeneration(event.newer_generation)
        default: self = .unreachable
        }
    }
}

extension DetectorAction {
    /// The action for C, but for its two names.
    var parts: (target: String, helper: String, action: gb_action) {
        var action = gb_action()
        var (target, helper) = ("", "")
        let kind: Int
        switch self {
        case .probe(let name, let generation, let timeout):
            kind = GB_ACT_PROBE
            (target, action.generation, action.timeout_us) = (name, generation, timeout?.clampedMicroseconds ?? 0)
        case .probeThrough(let carrier, let name, let generation):
            kind = GB_ACT_PROBE_THROUGH
            (helper, target, action.generation) = (carrier, name, generation)
        case .accuse(let name, let generation, let incarnation, let reason):
            kind = GB_ACT_ACCUSE
            (target, action.generation, action.incarnation, action.reason) = (name, generation, incarnation, UInt8(reason.wire))
        case .retract(let name):
            kind = GB_ACT_RETRACT
            target = name
        case .declareSuspect(let name, let generation, let incarnation):
            kind = GB_ACT_SUSPECT
            (target, action.generation, action.incarnation) = (name, generation, incarnation)
        case .declareDead(let name, let generation, let incarnation, _):
            kind = GB_ACT_DEAD
            (target, action.generation, action.incarnation) = (name, generation, incarnation)
        case .declareAlive(let name, let generation, let incarnation):
            kind = GB_ACT_ALIVE
            (target, action.generation, action.incarnation) = (name, generation, incarnation)
        case .tick(let interval):
            kind = GB_ACT_TICK
            action.timeout_us = interval.clampedMicroseconds
        }
        action.kind = UInt8(kind)
        return (target, helper, action)
    }
}
