#define _GNU_SOURCE
/* For rte_eth_read_clock(). */
#define ALLOW_EXPERIMENTAL_API
#include <errno.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>
#include <rte_mempool.h>
#include <rte_version.h>

#include "shim.h"

/* Buffers that a thread keeps to itself between visits to the shared ring of the pool. */
#define POOL_CACHE 256

static inline struct rte_mempool *pool_in(const struct rialto_pool *pool)
{
	return (struct rte_mempool *)(uintptr_t)pool;
}

static inline struct rte_mbuf *mbuf_in(const struct rialto_mbuf *mbuf)
{
	return (struct rte_mbuf *)(uintptr_t)mbuf;
}

static rialto_log_fn log_sink;

static ssize_t log_write(void *cookie, const char *text, size_t length)
{
	(void)cookie;
	log_sink((uint32_t)rte_log_cur_msg_loglevel(), text, length);
	return (ssize_t)length;
}

int rialto_log_open(rialto_log_fn log)
{
	/* rte_log flushes the stream after each message, so a write is one message. */
	const cookie_io_functions_t functions = {.write = log_write};
	FILE *stream;

	log_sink = log;
	stream = fopencookie(NULL, "w", functions);
	if (stream == NULL)
		return -errno;
	return rte_openlog_stream(stream);
}

int rialto_eal_init(int argc, char **argv)
{
	/* EAL pins the calling thread to its main lcore, and later threads would inherit that. */
	cpu_set_t before;
	int known = pthread_getaffinity_np(pthread_self(), sizeof(before), &before) == 0;
	int result;

	rte_errno = 0;
	result = rte_eal_init(argc, argv);
	if (known)
		pthread_setaffinity_np(pthread_self(), sizeof(before), &before);
	if (result < 0)
		return rte_errno != 0 ? -rte_errno : -EINVAL;
	return 0;
}

int rialto_eal_cleanup(void)
{
	return rte_eal_cleanup();
}

int rialto_thread_register(void)
{
	if (rte_lcore_id() != LCORE_ID_ANY)
		return 0;
	return rte_thread_register() < 0 ? -rte_errno : 0;
}

const char *rialto_strerror(int error)
{
	return rte_strerror(error < 0 ? -error : error);
}

const char *rialto_version(void)
{
	return rte_version();
}

struct rialto_pool *rialto_pool_create(const char *name, uint32_t count, uint16_t frame_bytes,
				       int *error)
{
	struct rte_mempool *pool =
		rte_pktmbuf_pool_create(name, count, POOL_CACHE, 0,
					(uint16_t)(frame_bytes + RTE_PKTMBUF_HEADROOM),
					(int)rte_socket_id());
	*error = pool == NULL ? -rte_errno : 0;
	return (struct rialto_pool *)pool;
}

void rialto_pool_free(struct rialto_pool *pool)
{
	rte_mempool_free(pool_in(pool));
}

uint32_t rialto_pool_available(const struct rialto_pool *pool)
{
	return rte_mempool_avail_count(pool_in(pool));
}

struct rialto_mbuf *rialto_mbuf_alloc(struct rialto_pool *pool)
{
	return (struct rialto_mbuf *)rte_pktmbuf_alloc(pool_in(pool));
}

void rialto_mbuf_free(struct rialto_mbuf *mbuf)
{
	rte_pktmbuf_free(mbuf_in(mbuf));
}

const uint8_t *rialto_mbuf_data(const struct rialto_mbuf *mbuf)
{
	return rte_pktmbuf_mtod(mbuf_in(mbuf), const uint8_t *);
}

uint16_t rialto_mbuf_length(const struct rialto_mbuf *mbuf)
{
	return rte_pktmbuf_data_len(mbuf_in(mbuf));
}

uint8_t *rialto_mbuf_append(struct rialto_mbuf *mbuf, uint16_t length)
{
	return (uint8_t *)rte_pktmbuf_append(mbuf_in(mbuf), length);
}

uint32_t rialto_mbuf_checksum(const struct rialto_mbuf *mbuf)
{
	uint64_t flags = mbuf_in(mbuf)->ol_flags;
	uint64_t ip = flags & RTE_MBUF_F_RX_IP_CKSUM_MASK;
	uint64_t segment = flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;

	if (ip == RTE_MBUF_F_RX_IP_CKSUM_BAD || segment == RTE_MBUF_F_RX_L4_CKSUM_BAD)
		return RIALTO_CHECKSUM_WRONG;
	if (segment == RTE_MBUF_F_RX_L4_CKSUM_GOOD)
		return RIALTO_CHECKSUM_RIGHT;
	return RIALTO_CHECKSUM_UNKNOWN;
}

/* Where drivers put stamps, and by which flag they say that there is one; 0 if none does. */
static int stamp_offset;
static uint64_t stamp_flag;

static void find_stamps(void)
{
	int offset = rte_mbuf_dynfield_lookup(RTE_MBUF_DYNFIELD_TIMESTAMP_NAME, NULL);
	int bit = rte_mbuf_dynflag_lookup(RTE_MBUF_DYNFLAG_RX_TIMESTAMP_NAME, NULL);

	stamp_offset = offset;
	stamp_flag = offset < 0 || bit < 0 ? 0 : RTE_BIT64(bit);
}

int rialto_mbuf_stamp(const struct rialto_mbuf *mbuf, uint64_t *stamp)
{
	if ((mbuf_in(mbuf)->ol_flags & stamp_flag) == 0)
		return 0;
	*stamp = *RTE_MBUF_DYNFIELD(mbuf_in(mbuf), stamp_offset, rte_mbuf_timestamp_t *);
	return 1;
}

void rialto_mbuf_fill_checksum(struct rialto_mbuf *mbuf, int is_tcp)
{
	struct rte_mbuf *inner = mbuf_in(mbuf);

	inner->l2_len = RTE_ETHER_HDR_LEN;
	inner->l3_len = sizeof(struct rte_ipv4_hdr);
	inner->ol_flags |= RTE_MBUF_F_TX_IPV4 |
			   (is_tcp ? RTE_MBUF_F_TX_TCP_CKSUM : RTE_MBUF_F_TX_UDP_CKSUM);
}

int rialto_port_first(void)
{
	uint16_t port = (uint16_t)rte_eth_find_next(0);

	return port < RTE_MAX_ETHPORTS ? port : -ENODEV;
}

int rialto_port_queues_max(uint16_t port)
{
	struct rte_eth_dev_info info;
	int result = rte_eth_dev_info_get(port, &info);

	if (result < 0)
		return result;
	return info.max_rx_queues < info.max_tx_queues ? info.max_rx_queues : info.max_tx_queues;
}

/* Whether the port hashes packets by their two addresses alone, with a key of ours. */
static int can_spread(const struct rte_eth_dev_info *info)
{
	return (info->flow_type_rss_offloads & RTE_ETH_RSS_IPV4) != 0 &&
	       info->hash_key_size >= RIALTO_SPREAD_KEY_BYTES_MIN &&
	       info->hash_key_size <= RIALTO_SPREAD_KEY_BYTES;
}

/* Fills the table that the hash chooses a queue from, and returns its places; 0 if it is not ours. */
static uint16_t fill_table(uint16_t port, uint16_t places, uint16_t queues)
{
	struct rte_eth_rss_reta_entry64 table[RTE_ETH_RSS_RETA_SIZE_512 / RTE_ETH_RETA_GROUP_SIZE];

	if (places == 0 || places > RTE_ETH_RSS_RETA_SIZE_512)
		return 0;
	memset(table, 0, sizeof(table));
	for (uint16_t place = 0; place < places; place++) {
		struct rte_eth_rss_reta_entry64 *group = &table[place / RTE_ETH_RETA_GROUP_SIZE];

		group->mask |= UINT64_C(1) << place % RTE_ETH_RETA_GROUP_SIZE;
		group->reta[place % RTE_ETH_RETA_GROUP_SIZE] = place % queues;
	}
	return rte_eth_dev_rss_reta_update(port, table, places) < 0 ? 0 : places;
}

int rialto_port_start(uint16_t port, struct rialto_pool *pool, uint16_t queues, const uint8_t *key,
		      uint16_t rx_descriptors, uint16_t tx_descriptors, uint32_t *offloads,
		      uint16_t *places)
{
	const uint64_t verifies = RTE_ETH_RX_OFFLOAD_CHECKSUM;
	const uint64_t fills = RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
	const uint64_t by_address =
		RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_FRAG_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_OTHER;
	struct rte_eth_dev_info info;
	struct rte_eth_conf conf;
	int socket = rte_eth_dev_socket_id(port);
	uint64_t ticks;
	int spreads;
	int result;

	*offloads = 0;
	*places = 0;
	memset(&conf, 0, sizeof(conf));
	result = rte_eth_dev_info_get(port, &info);
	if (result < 0)
		return result;
	if ((info.rx_offload_capa & verifies) == verifies) {
		conf.rxmode.offloads |= verifies;
		*offloads |= RIALTO_OFFLOAD_VERIFIES;
	}
	if ((info.tx_offload_capa & fills) == fills) {
		conf.txmode.offloads |= fills;
		*offloads |= RIALTO_OFFLOAD_FILLS;
	}
	/* Not where nobody can read the clock: drivers may have slower ways for frames that they stamp. */
	if ((info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_TIMESTAMP) != 0 &&
	    rialto_port_clock(port, &ticks) != -ENOTSUP)
		conf.rxmode.offloads |= RTE_ETH_RX_OFFLOAD_TIMESTAMP;
	spreads = queues > 1 && can_spread(&info);
	if (spreads) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_key = (uint8_t *)(uintptr_t)key;
		conf.rx_adv_conf.rss_conf.rss_key_len = info.hash_key_size;
		conf.rx_adv_conf.rss_conf.rss_hf = info.flow_type_rss_offloads & by_address;
	}
	result = rte_eth_dev_configure(port, queues, queues, &conf);
	if (result < 0)
		return result;
	result = rte_eth_dev_adjust_nb_rx_tx_desc(port, &rx_descriptors, &tx_descriptors);
	if (result < 0)
		goto close;
	for (uint16_t queue = 0; queue < queues; queue++) {
		result = rte_eth_rx_queue_setup(port, queue, rx_descriptors, (unsigned int)socket,
						NULL, pool_in(pool));
		if (result < 0)
			goto close;
		result = rte_eth_tx_queue_setup(port, queue, tx_descriptors, (unsigned int)socket,
						NULL);
		if (result < 0)
			goto close;
	}
	result = rte_eth_dev_start(port);
	if (result < 0)
		goto close;
	if (spreads)
		*places = fill_table(port, info.reta_size, queues);
	/* Drivers that stamp have made the place for it by now. */
	find_stamps();
	/* A stamp that cannot be compared with the time it is now says nothing. */
	if (stamp_flag != 0 && rialto_port_clock(port, &ticks) == 0)
		*offloads |= RIALTO_OFFLOAD_STAMPS;
	return 0;

close:
	/* The caller will free the pool, of which the queues may hold buffers. */
	rte_eth_dev_close(port);
	return result;
}

int rialto_port_clock(uint16_t port, uint64_t *ticks)
{
	return rte_eth_read_clock(port, ticks);
}

int rialto_port_hear(uint16_t port, const uint8_t *macs, uint32_t count)
{
	/* struct rte_ether_addr is the six bytes and nothing else. */
	struct rte_ether_addr *list = (struct rte_ether_addr *)(uintptr_t)macs;
	int result = rte_eth_dev_set_mc_addr_list(port, list, count);

	return result < 0 ? rte_eth_allmulticast_enable(port) : result;
}

int rialto_port_close(uint16_t port)
{
	int stopped = rte_eth_dev_stop(port);
	int closed = rte_eth_dev_close(port);

	return stopped < 0 ? stopped : closed;
}

int rialto_port_mac(uint16_t port, uint8_t *mac)
{
	struct rte_ether_addr address;
	int result = rte_eth_macaddr_get(port, &address);

	if (result < 0)
		return result;
	memcpy(mac, address.addr_bytes, sizeof(address.addr_bytes));
	return 0;
}

/* That of an interface of the kernel's; -errno if it is not there to be asked. */
static int interface_mtu(unsigned int index)
{
	struct ifreq request;
	int fd;
	int result;

	memset(&request, 0, sizeof(request));
	if (if_indextoname(index, request.ifr_name) == NULL)
		return -errno;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	result = ioctl(fd, SIOCGIFMTU, &request) < 0 ? -errno : request.ifr_mtu;
	close(fd);
	return result;
}

int rialto_port_mtu(uint16_t port)
{
	struct rte_eth_dev_info info;
	uint16_t mtu;
	int result = rte_eth_dev_get_mtu(port, &mtu);

	if (result >= 0)
		result = rte_eth_dev_info_get(port, &info);
	if (result < 0)
		return result;
	/* Drivers over an interface say what Ethernet has, and lose what is too long for the interface. */
	result = info.if_index == 0 ? mtu : interface_mtu(info.if_index);
	return result < 0 || result > mtu ? mtu : result;
}

int rialto_port_link(uint16_t port)
{
	struct rte_eth_link link;
	int result = rte_eth_link_get_nowait(port, &link);

	return result < 0 ? result : link.link_status == RTE_ETH_LINK_UP;
}

int rialto_port_stats(uint16_t port, uint64_t *stats)
{
	struct rte_eth_stats from;
	int result = rte_eth_stats_get(port, &from);

	if (result < 0)
		return result;
	stats[RIALTO_STAT_RX_PACKETS] = from.ipackets;
	stats[RIALTO_STAT_TX_PACKETS] = from.opackets;
	stats[RIALTO_STAT_RX_BYTES] = from.ibytes;
	stats[RIALTO_STAT_TX_BYTES] = from.obytes;
	stats[RIALTO_STAT_RX_MISSED] = from.imissed;
	stats[RIALTO_STAT_RX_ERRORS] = from.ierrors;
	stats[RIALTO_STAT_TX_ERRORS] = from.oerrors;
	stats[RIALTO_STAT_RX_NO_MBUF] = from.rx_nombuf;
	return 0;
}

uint16_t rialto_rx_burst(uint16_t port, uint16_t queue, struct rialto_mbuf **mbufs, uint16_t count)
{
	return rte_eth_rx_burst(port, queue, (struct rte_mbuf **)mbufs, count);
}

uint16_t rialto_tx_burst(uint16_t port, uint16_t queue, struct rialto_mbuf **mbufs, uint16_t count)
{
	return rte_eth_tx_burst(port, queue, (struct rte_mbuf **)mbufs, count);
}
