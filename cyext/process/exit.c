/* The program that exec probes run: it leaves at once. */
int main(void)
{
    return 0;
}
