/* SPDX-License-Identifier: MIT */
/*
 * Xids through NVML's events: which error last, and how many, of each GPU.
 *
 * The library delivers an event once, and only to an event set that existed when it happened. So
 * the set is made right after Init, asked without waiting before each report, and what it said is
 * counted here by UUID, for a handle does not outlive the next Init and the counts must. Events
 * that happen while NVML is initialised again are missed; what they did to the GPU then shows as
 * its health.
 *
 * An event on a GPU that is cut into MIG instances names the instance, or all of them.
 * Sources: nvml.h, "Event Handling Methods"; NVIDIA's device plugin for Kubernetes, health.go.
 */
#include "probe/nvml.h"

#define EVENT_XID	   0x8ull
#define WAIT_MS		   0
#define EVENTS_AT_ONCE_MAX 1000 /* so that a card that cries all the time lets a report through */
#define UNKNOWN_ERROR	   999

static void listen_to(struct nvml *nvml, unsigned index)
{
	unsigned long long supported = 0;
	nvml_device handle;

	if (nvml->lib.DeviceGetHandleByIndex_v2(index, &handle) == NVML_SUCCESS &&
	    NVML_CALL(nvml, DeviceGetSupportedEventTypes, handle, &supported) == NVML_SUCCESS &&
	    supported & EVENT_XID)
		(void)nvml->lib.DeviceRegisterEvents(handle, EVENT_XID, nvml->events);
}

void nvml_events_open(struct nvml *nvml)
{
	unsigned n = 0;

	if (!nvml->lib.EventSetFree || !nvml->lib.DeviceRegisterEvents ||
	    (!nvml->lib.EventSetWait_v2 && !nvml->lib.EventSetWait) ||
	    NVML_CALL(nvml, EventSetCreate, &nvml->events) != NVML_SUCCESS) {
		nvml->events = NULL;
		return;
	}
	(void)nvml->lib.DeviceGetCount_v2(&n);
	for (unsigned i = 0; i < n; i++)
		listen_to(nvml, i);
}

void nvml_events_close(struct nvml *nvml)
{
	if (nvml->events)
		(void)nvml->lib.EventSetFree(nvml->events);
	nvml->events = NULL;
}

static struct nvml_xids *xids_of(struct nvml *nvml, const char *uuid, unsigned instance)
{
	struct nvml_xids *xids;

	for (size_t i = 0; i < nvml->n_xids; i++)
		if (STREQ(nvml->xids[i].uuid, uuid) && nvml->xids[i].instance == instance)
			return &nvml->xids[i];
	if (nvml->n_xids == ARRAY_SIZE(nvml->xids))
		return NULL;
	xids = &nvml->xids[nvml->n_xids++];
	memcpy(xids->uuid, uuid, strlen(uuid) + 1); /* both of one size */
	xids->instance = instance;
	return xids;
}

/* The GPU itself may no longer be able to tell. */
static const char *uuid_of(const struct nvml *nvml, nvml_device handle)
{
	for (size_t i = 0; i < ARRAY_SIZE(nvml->known); i++)
		if (nvml->known[i].uuid[0] && nvml->known[i].handle == handle)
			return nvml->known[i].uuid;
	return NULL;
}

static void count_event(struct nvml *nvml, const struct nvml_event *event)
{
	const char *uuid = uuid_of(nvml, event->device);
	struct nvml_xids *xids = uuid ? xids_of(nvml, uuid, event->gpu_instance) : NULL;

	if (!(event->type & EVENT_XID) || !xids)
		return;
	xids->last = event->data < UNKNOWN_ERROR ? (int)event->data : UNKNOWN_ERROR;
	xids->count++;
	xids->order = ++nvml->n_events;
}

void nvml_events_read(struct nvml *nvml)
{
	for (int i = 0; nvml->events && i < EVENTS_AT_ONCE_MAX; i++) {
		struct nvml_event event = {.gpu_instance = NVML_NO_INSTANCE};
		int code = nvml->lib.EventSetWait_v2
				   ? nvml->lib.EventSetWait_v2(nvml->events, &event, WAIT_MS)
				   : nvml->lib.EventSetWait(nvml->events, &event, WAIT_MS);

		nvml->stale |= code == NVML_UNINITIALIZED;
		if (code != NVML_SUCCESS) /* as a rule: TIMEOUT, nothing happened */
			return;
		count_event(nvml, &event);
	}
}

/* Whole GPUs have the events of all their instances; an instance those that name it or nobody. */
static bool concerns(const struct nvml_xids *xids, const struct gpu_info *info, unsigned instance)
{
	if (!info->parent[0])
		return STREQ(xids->uuid, info->uuid);
	return STREQ(xids->uuid, info->parent) &&
	       (xids->instance == NVML_NO_INSTANCE || instance == NVML_NO_INSTANCE ||
		xids->instance == instance);
}

void nvml_events_fill(struct nvml_gpu *gpu)
{
	const struct nvml *nvml = gpu->nvml;
	unsigned instance = NVML_NO_INSTANCE;
	int64_t latest = 0;

	if (!nvml->events)
		return;
	if (gpu->info->parent[0] && !NVML_ASK(gpu, DeviceGetGpuInstanceId, &instance))
		instance = NVML_NO_INSTANCE;
	gpu->info->xid_count = 0;
	for (size_t i = 0; i < nvml->n_xids; i++) {
		const struct nvml_xids *xids = &nvml->xids[i];

		if (!concerns(xids, gpu->info, instance))
			continue;
		gpu->info->xid_count += xids->count;
		if (xids->order > latest) {
			latest = xids->order;
			gpu->info->xid = xids->last;
		}
	}
}
