// SPDX-License-Identifier: Apache-2.0
// What the client door asks of a node: a protocol, so that the door can be tested without one.

/// What the client door asks of a node.
package protocol ClientBackend: AnyObject, Sendable {
    /// Who is in the cluster.
    func clientMembers() -> MembersAnswer
    /// One value; `node` nil means this node.
    func clientValue(node: String?, group: DeltaLabel, key: DeltaLabel) throws(ClientFailure) -> DeltaAnswer
    /// Sets an own value, and answers as it stands then.
    func clientSet(
        group: DeltaLabel,
        key: DeltaLabel,
        type: DeltaValueType,
        bytes: [UInt8],
        timeToLive: Duration?
    ) async throws(ClientFailure) -> DeltaAnswer
    /// Deletes an own value.
    func clientDelete(group: DeltaLabel, key: DeltaLabel) async throws(ClientFailure) -> KeyAnswer
    /// The node and its counters; `started` is when it was made.
    func clientInfo(started: ClientTime) -> InfoAnswer
    /// What is known about a member, and why.
    func clientExplanation(of node: String) throws(ClientFailure) -> ExplainAnswer
    /// The cluster configuration in force.
    func clientConfiguration() -> ConfigurationAnswer
    /// Changes the cluster configuration for everyone.
    func clientConfigure(key: String, text: String) async throws(ClientFailure) -> ConfigurationSetAnswer
    /// The answer to a request to leave.
    func clientLeaveAnswer() -> LeaveAnswer
    /// Leaves the cluster.
    func clientLeave() async
    /// Tells changes of values until the task is cancelled, the node stops, or `deliver` answers false.
    ///
    /// While `deliver` waits, what is not taken yet is bounded, and a loss is told.
    func clientWatch(group: DeltaLabel?, key: DeltaLabel?, deliver: @Sendable (ClientItem) async -> Bool) async
    /// The same for what happens in the cluster.
    func clientEvents(deliver: @Sendable (ClientItem) async -> Bool) async
    /// Sends an answer. Never waits: throws `queueFull` where the client reads too slowly, `closed` where it has gone.
    func sendToClient(link: UInt64, requestID: UInt32, payload: [UInt8], isLast: Bool) throws(GoferBrokeError)
}
