"""
Programs with a call of fanotify_mark(2) that does not return.

The parts of code are for tools.harness.listeners.listening().
"""

from __future__ import annotations


# A call that waits for a file system that does not answer. A FUSE file system whose
# daemon has not answered the first request keeps all others waiting, in state D. The
# program needs a mount namespace of its own, so that only its own calls wait.
FUSE = """
def silent_folder():
    daemon = os.open("/dev/fuse", os.O_RDWR)
    folder = "/tmp".encode()
    options = f"fd={daemon},rootmode=40000,user_id=0,group_id=0".encode()
    checked(libc.mount(b"none", b"/", None, 0x44000, None))  # MS_REC | MS_PRIVATE
    checked(libc.mount(b"silent", folder, b"fuse", 0, options))
    return daemon, folder + b"/file"
"""

# A call whose argument is in a page that never comes, which every kernel with
# userfaultfd(2) can provide. The thread is in state S.
FAULT = """
import fcntl, mmap, struct

def missing_page():
    number = {"x86_64": 323, "aarch64": 282}[os.uname().machine]
    faults = checked(libc.syscall(number, os.O_CLOEXEC))
    fcntl.ioctl(faults, 0xC018AA3F, struct.pack("=QQQ", 0xAA, 0, 0))  # UFFDIO_API
    page = mmap.mmap(-1, mmap.PAGESIZE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    words = address, mmap.PAGESIZE, 1, 0  # UFFDIO_REGISTER_MODE_MISSING
    fcntl.ioctl(faults, 0xC020AA00, struct.pack("=QQQQ", *words))  # UFFDIO_REGISTER
    return page, address
"""

# Start a thread that makes the call, and return its id.
CALL = """
def start(path, call=libc.fanotify_mark):
    tids, group = [], init(FID)

    def work():
        tids.append(threading.get_native_id())
        call(group, ADD, ctypes.c_uint64(OPEN), -100, path)

    threading.Thread(target=work, daemon=True).start()
    while not tids:
        time.sleep(0.01)
    return tids[0]
"""

SILENT = ("unshare", "--mount")
