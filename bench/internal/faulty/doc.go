// Package faulty is a WebSocket server that misbehaves on purpose and counts
// exactly how often, so that a test of a load generator can compare what was
// reported with what took place.
//
// Without faults it is a plain server:
//
//   - Text and binary messages come back as they were; a heartbeat is answered
//     by its acknowledgement.
//   - On the path /hub a message goes to every other connection of /hub instead.
//   - POST /websocket/broadcast {"message":"…"} sends to all connections, in the
//     same order everywhere; POST /websocket/send/user/{id} to those of a user,
//     who is the connection's ?user= or else its ?token=.
//
// [Faults] are switched at run time with [Server.SetFaults]. A fault that has
// "every n" counts over the whole server, and counts only the frames that no
// fault before it in the order of the struct took. So a frame has one fault at
// most, and with n frames due exactly n/every have it.
package faulty
