#include <libpq-fe.h>
#include <string.h>
