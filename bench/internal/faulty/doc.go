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
// fault before it in the order of the struct took: a frame has one fault at
// most, a fault that is alone has exactly due/n frames, and the next one has its
// n-th part of what the first has left.
package faulty
