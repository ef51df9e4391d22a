// Package plan says what a load run does: the scenarios, their connections,
// arrivals and messages, as a YAML file or command-line flags give them. A
// [Plan] that came out of [Load] or [Plan.Complete] is whole: every default is
// filled in, every template compiles, and nothing in it can fail for a reason
// that could have been known before the first connection.
package plan
