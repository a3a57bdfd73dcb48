/* SPDX-License-Identifier: MIT */
/*
 * cuda_job [memory MIB] [work MS] [stray] [keep SECONDS]: a job that uses real NVIDIA GPUs.
 *
 * It prints a line "gpu UUID free MIB of MIB" for each GPU that CUDA shows it and does its
 * arguments in their order: take memory on the first GPU; keep it busy; write to an address that is
 * nobody's, which the driver answers with Xid 31; stay. Then it prints "done". Exit codes: 0; 3 no
 * GPU was shown; 4 the stray write was refused, as it must be; 5 CUDA failed, the message says
 * where; 6 no driver.
 *
 * The driver's library is loaded, its kernels are compiled by it, so this builds anywhere. Source
 * of the names, codes and types: NVIDIA's documentation of the CUDA driver API, which keeps them
 * stable.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NO_DEVICE	100
#define ILLEGAL_ADDRESS 700
#define MIB		(1u << 20)

enum exit_code { EXIT_NO_GPU = 3, EXIT_REFUSED = 4, EXIT_FAILED = 5, EXIT_NO_DRIVER = 6 };

/* One thread of `spin` runs for so many nanoseconds; `stray` writes near address 0. */
static const char kernels[] =
	".version 6.0\n.target sm_50\n.address_size 64\n"
	".visible .entry spin(.param .u64 duration) {\n"
	"  .reg .u64 %now, %end;\n  .reg .pred %early;\n"
	"  ld.param.u64 %end, [duration];\n  mov.u64 %now, %globaltimer;\n  add.u64 %end, %end, "
	"%now;\n"
	"again:\n  mov.u64 %now, %globaltimer;\n  setp.lt.u64 %early, %now, %end;\n"
	"  @%early bra again;\n  ret;\n}\n"
	".visible .entry stray() {\n"
	"  .reg .u64 %where;\n  mov.u64 %where, 16;\n  st.global.u64 [%where], %where;\n  "
	"ret;\n}\n";

typedef struct cuda_context *cuda_context;
typedef struct cuda_module *cuda_module;
typedef struct cuda_function *cuda_function;

#define FUNCTIONS(X)                                                                      \
	X(Init, (unsigned))                                                               \
	X(DeviceGetCount, (int *))                                                        \
	X(DeviceGet, (int *, int))                                                        \
	X(DeviceGetUuid, (unsigned char[16], int))                                        \
	X(DevicePrimaryCtxRetain, (cuda_context *, int))                                  \
	X(CtxSetCurrent, (cuda_context))                                                  \
	X(CtxSynchronize, (void))                                                         \
	X(MemGetInfo_v2, (size_t *, size_t *))                                            \
	X(MemAlloc_v2, (uint64_t *, size_t))                                              \
	X(ModuleLoadData, (cuda_module *, const void *))                                  \
	X(ModuleGetFunction, (cuda_function *, cuda_module, const char *))                \
	X(LaunchKernel, (cuda_function, unsigned, unsigned, unsigned, unsigned, unsigned, \
			 unsigned, unsigned, void *, void **, void **))

static struct {
#define DECLARE(name, parameters) int(*name) parameters;
	FUNCTIONS(DECLARE)
} cuda;

static void load(void)
{
	void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);

	if (!library) {
		fprintf(stderr, "cuda_job: %s\n", dlerror());
		exit(EXIT_NO_DRIVER);
	}
#define LOOK_UP(function, parameters)                              \
	*(void **)&cuda.function = dlsym(library, "cu" #function); \
	if (!cuda.function) {                                      \
		fprintf(stderr, "cuda_job: no cu%s\n", #function); \
		exit(EXIT_NO_DRIVER);                              \
	}
	FUNCTIONS(LOOK_UP)
}

static void check(int code, const char *what)
{
	if (code == 0)
		return;
	printf("%s: CUDA error %d\n", what, code);
	exit(EXIT_FAILED);
}

#define CALL(function, ...) check(cuda.function(__VA_ARGS__), #function)

static void print_gpu(int device)
{
	unsigned char uuid[16];
	cuda_context context;
	size_t free_bytes, total_bytes;

	CALL(DeviceGetUuid, uuid, device);
	CALL(DevicePrimaryCtxRetain, &context, device);
	CALL(CtxSetCurrent, context);
	CALL(MemGetInfo_v2, &free_bytes, &total_bytes);
	printf("gpu GPU-");
	for (int i = 0; i < 16; i++)
		printf("%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid[i]);
	printf(" free %zu of %zu\n", free_bytes / MIB, total_bytes / MIB);
}

/* Every GPU shown, the first last: it stays the current one. */
static void find_gpus(void)
{
	int n = 0, code = cuda.Init(0);

	if (code == 0)
		CALL(DeviceGetCount, &n);
	else if (code != NO_DEVICE)
		check(code, "Init");
	if (n == 0) {
		printf("no gpu\n");
		exit(EXIT_NO_GPU);
	}
	for (int i = n; i-- > 0;) {
		int device;

		CALL(DeviceGet, &device, i);
		print_gpu(device);
	}
}

static cuda_function kernel(const char *name)
{
	static cuda_module module;
	cuda_function function;

	if (!module)
		CALL(ModuleLoadData, &module, kernels);
	CALL(ModuleGetFunction, &function, module, name);
	return function;
}

static void take_memory(uint64_t mib)
{
	uint64_t address;

	CALL(MemAlloc_v2, &address, mib * MIB);
}

/* In slices of 10 ms, so that the GPU can be taken away at any time. */
static void work(uint64_t ms)
{
	cuda_function spin = kernel("spin");
	uint64_t slice_ns = 10000000;
	void *parameters[] = {&slice_ns};

	for (uint64_t done = 0; done < ms; done += 10) {
		CALL(LaunchKernel, spin, 256, 1, 1, 256, 1, 1, 0, NULL, parameters, NULL);
		CALL(CtxSynchronize);
	}
}

static void stray(void)
{
	int code;

	CALL(LaunchKernel, kernel("stray"), 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL);
	code = cuda.CtxSynchronize();
	printf("stray: CUDA error %d\n", code);
	exit(code == ILLEGAL_ADDRESS ? EXIT_REFUSED : EXIT_FAILED);
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	load();
	find_gpus();
	for (int i = 1; i < argc; i++) {
		uint64_t value = i + 1 < argc ? strtoull(argv[i + 1], NULL, 10) : 0;

		if (strcmp(argv[i], "memory") == 0)
			take_memory(value), i++;
		else if (strcmp(argv[i], "work") == 0)
			work(value), i++;
		else if (strcmp(argv[i], "keep") == 0)
			printf("keeps\n"), sleep((unsigned)value), i++;
		else if (strcmp(argv[i], "stray") == 0)
			stray();
	}
	printf("done\n");
	return 0;
}
