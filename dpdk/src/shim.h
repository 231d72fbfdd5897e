/* What Rialto needs of DPDK, in integers and pointers alone: no rte_ type crosses this border, so no
 * struct layout of DPDK has to be known on the other side.
 *
 * Functions that can fail return a negative errno value, or NULL, and then leave one in *error. */
#ifndef RIALTO_DPDK_SHIM_H
#define RIALTO_DPDK_SHIM_H

#include <stddef.h>
#include <stdint.h>

/** A pool of packet buffers. */
struct rialto_pool;

/** A packet buffer. */
struct rialto_mbuf;

/** Takes one log message of EAL or a driver; `level` is DPDK's, 1 (emergency) to 8 (debug). */
typedef void (*rialto_log_fn)(uint32_t level, const char *text, size_t length);

/** Indices into the array that rialto_port_stats() fills. */
enum rialto_stat {
	RIALTO_STAT_RX_PACKETS,
	RIALTO_STAT_TX_PACKETS,
	RIALTO_STAT_RX_BYTES,
	RIALTO_STAT_TX_BYTES,
	RIALTO_STAT_RX_MISSED,
	RIALTO_STAT_RX_ERRORS,
	RIALTO_STAT_TX_ERRORS,
	RIALTO_STAT_RX_NO_MBUF,
	RIALTO_STAT_COUNT
};

/** What a port does with frames: bits that rialto_port_start() sets. */
enum rialto_offload {
	/** It verifies the checksums of TCP and UDP received; rialto_mbuf_checksum() says what it found. */
	RIALTO_OFFLOAD_VERIFIES = 1,
	/** It fills in those sent, if rialto_mbuf_fill_checksum() asks it to. */
	RIALTO_OFFLOAD_FILLS = 2,
	/** It stamps frames received, see rialto_mbuf_stamp(), with a clock that rialto_port_clock() reads. */
	RIALTO_OFFLOAD_STAMPS = 4
};

/** What a port found of a received frame's checksums. */
enum rialto_checksum {
	RIALTO_CHECKSUM_UNKNOWN,
	RIALTO_CHECKSUM_RIGHT,
	RIALTO_CHECKSUM_WRONG
};

/** Sends every log message to `log`. To be called before rialto_eal_init(). */
int rialto_log_open(rialto_log_fn log);

/** Starts EAL, once per process. The caller's CPU affinity is as before when it returns. */
int rialto_eal_init(int argc, char **argv);

/** Ends EAL. Nothing of DPDK may be used after it. */
int rialto_eal_cleanup(void);

/** Makes the calling thread known to EAL, so that it gets pool caches. Does not move it. */
int rialto_thread_register(void);

/** The text of an errno value. */
const char *rialto_strerror(int error);

/** The version of DPDK, as text. */
const char *rialto_version(void);

/** Creates a pool of `count` buffers for frames up to `frame_bytes`. */
struct rialto_pool *rialto_pool_create(const char *name, uint32_t count, uint16_t frame_bytes,
				       int *error);

/** Frees a pool. All its buffers must have been freed, and no port may receive into it. */
void rialto_pool_free(struct rialto_pool *pool);

/** Buffers of the pool that are free. */
uint32_t rialto_pool_available(const struct rialto_pool *pool);

/** Takes an empty buffer from the pool; NULL if there is none. */
struct rialto_mbuf *rialto_mbuf_alloc(struct rialto_pool *pool);

/** Gives a buffer back to its pool. */
void rialto_mbuf_free(struct rialto_mbuf *mbuf);

/** The start of the buffer's frame. */
const uint8_t *rialto_mbuf_data(const struct rialto_mbuf *mbuf);

/** The frame's length. */
uint16_t rialto_mbuf_length(const struct rialto_mbuf *mbuf);

/** Makes the frame `length` bytes longer and returns where they begin; NULL if they do not fit. */
uint8_t *rialto_mbuf_append(struct rialto_mbuf *mbuf, uint16_t length);

/** What the port found of the checksums of a received frame: an enum rialto_checksum. */
uint32_t rialto_mbuf_checksum(const struct rialto_mbuf *mbuf);

/** Writes when a received frame came, in ticks of the device's clock, to `stamp`; 0 if nobody stamped it. */
int rialto_mbuf_stamp(const struct rialto_mbuf *mbuf, uint64_t *stamp);

/** Has the port fill in the checksum of a segment of TCP (else of UDP) behind an Ethernet header of 14
 * bytes and an IPv4 header of 20; in its place is the sum of the pseudo header. */
void rialto_mbuf_fill_checksum(struct rialto_mbuf *mbuf, int is_tcp);

/** The number of the first port, or -ENODEV. */
int rialto_port_first(void);

/** The bytes of a key from which a port's hash is made, at most and at least. */
#define RIALTO_SPREAD_KEY_BYTES 52
#define RIALTO_SPREAD_KEY_BYTES_MIN 40

/** How many queues of each direction a port can have, or an error. */
int rialto_port_queues_max(uint16_t port);

/** Configures a port with as many receive and transmit queues, and starts it. Of the descriptors of each
 * the driver may take fewer or more. What it can do of enum rialto_offload is asked of it, and told in
 * `offloads`.
 *
 * Where it can, it spreads what it receives over the queues by the hash of the packets' two addresses
 * with `key`, of RIALTO_SPREAD_KEY_BYTES: the hash modulo `places` is a place of a table, and the place
 * modulo the queues is the queue. `places` is 0 where it cannot, and spreads as it likes. A port that
 * fails once configured is closed. */
int rialto_port_start(uint16_t port, struct rialto_pool *pool, uint16_t queues, const uint8_t *key,
		      uint16_t rx_descriptors, uint16_t tx_descriptors, uint32_t *offloads,
		      uint16_t *places);

/** Receives frames to these `count` multicast addresses of six bytes each too; where the driver keeps
 * no list of them, those to all. 0, or an error where it can do neither. */
int rialto_port_hear(uint16_t port, const uint8_t *macs, uint32_t count);

/** Reads the clock with which a port stamps frames, in its ticks; an error where it has none. */
int rialto_port_clock(uint16_t port, uint64_t *ticks);

/** Stops and closes a port. */
int rialto_port_close(uint16_t port);

/** Writes the port's six-byte address to `mac`. */
int rialto_port_mac(uint16_t port, uint8_t *mac);

/**
 * The port's MTU (without the Ethernet header), or an error. Of a port over an interface of the kernel's
 * it is no more than the interface's, where that can be asked.
 */
int rialto_port_mtu(uint16_t port);

/** Whether the link is up: 1, 0 or an error. */
int rialto_port_link(uint16_t port);

/** Fills `stats`, an array of RIALTO_STAT_COUNT. */
int rialto_port_stats(uint16_t port, uint64_t *stats);

/** Receives up to `count` frames from a queue; they belong to the caller. */
uint16_t rialto_rx_burst(uint16_t port, uint16_t queue, struct rialto_mbuf **mbufs, uint16_t count);

/** Queues up to `count` frames on a queue; those taken, from the first on, belong to the driver. */
uint16_t rialto_tx_burst(uint16_t port, uint16_t queue, struct rialto_mbuf **mbufs, uint16_t count);

#endif
