"""Names for the numbers of fanotify's, inotify's and the kernel's other interfaces."""
